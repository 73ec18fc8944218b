"""A client of RabbitMQ: puts seven messages into one queue, takes from another, and keeps a third to itself."""

import pathlib
import sys

import pika

port, password = sys.argv[1:]
login = pika.PlainCredentials("client", password)
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(port), "shop", login, heartbeat=0))
channel = connection.channel()
channel.confirm_delivery()
for number in range(7):
    channel.basic_publish("", "orders", f"order {number}")
channel.basic_consume("mail", lambda *_: None)
channel.queue_declare("mine", exclusive=True)
pathlib.Path("done").touch()
channel.start_consuming()
