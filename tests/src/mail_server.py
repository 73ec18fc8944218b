"""A mail server for tests: takes mail on loopback, delivers it to a maildir, and obeys its standard input.

Run by mail_server.rs, which knows the words:

    refuse STAGE CODE COUNT    answers the next COUNT commands of this stage (mail, rcpt or data) with CODE
    stall                      keeps what is said after DATA to itself, though the mail is delivered
    release                    says it

It ends when its standard input ends, and so with the test that runs it. `read MAILDIR` prints what was delivered.
"""

import asyncio
import email
import email.policy
import json
import logging
import mailbox
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

ARRIVAL = "X-Test-Arrival"
RECEIVERS = "X-Test-Receivers"


class Handler:
    def __init__(self, maildir):
        self.maildir = mailbox.Maildir(maildir, create=True)
        self.arrived = 0
        self.refusals = {}
        self.released = asyncio.Event()
        self.released.set()

    def refusal(self, stage):
        code, count = self.refusals.get(stage, (0, 0))
        if count == 0:
            return None
        self.refusals[stage] = (code, count - 1)
        return f"{code} refused at {stage} as the test wishes"

    async def handle_MAIL(self, server, session, envelope, address, options):
        refusal = self.refusal("mail")
        if refusal is None:
            envelope.mail_from = address
        return refusal or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        refusal = self.refusal("rcpt")
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server, session, envelope):
        refusal = self.refusal("data")
        if refusal is not None:
            return refusal
        self.arrived += 1
        message = email.message_from_bytes(envelope.content)
        message[ARRIVAL] = str(self.arrived)
        message[RECEIVERS] = ",".join(envelope.rcpt_tos)
        self.maildir.add(message)
        await self.released.wait()
        return "250 taken"

    def obey(self, line):
        words = line.split()
        if words[0] == "refuse":
            self.refusals[words[1]] = (int(words[2]), int(words[3]))
        elif words[0] == "stall":
            self.released.clear()
        elif words[0] == "release":
            self.released.set()
        else:
            raise ValueError(f"unknown word {words[0]}")


def protocol(handler, settings, context):
    def authenticate(server, session, envelope, mechanism, data):
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == (settings["user"], settings["password"]), handled=False)

    by_starttls = settings["encryption"] == "starttls"
    return SMTP(
        handler,
        hostname="mail.test",
        tls_context=context if by_starttls else None,
        require_starttls=by_starttls,
        auth_required=True,
        auth_require_tls=by_starttls,
        authenticator=authenticate,
        auth_exclude_mechanism=[settings["exclude"]] if settings["exclude"] else None,
    )


async def serve(settings):
    context = None
    if settings["encryption"] != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["chain"], settings["key"])
    loop = asyncio.get_running_loop()
    handler = Handler(settings["maildir"])
    server = await loop.create_server(
        lambda: protocol(handler, settings, context),
        host="127.0.0.1",
        port=0,
        ssl=context if settings["encryption"] == "implicit" else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    words = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    while line := (await words.readline()).decode():
        handler.obey(line)
        print("obeyed", flush=True)


def text_of(message):
    body = message.get_body(("plain",))
    return body.get_content() if body else ""


def read(maildir):
    mails = []
    for key, raw in mailbox.Maildir(maildir, create=False).items():
        message = email.message_from_bytes(raw.as_bytes(), policy=email.policy.default)
        header = {name: str(message[name] or "") for name in message.keys()}
        mails.append(
            {
                "arrival": int(header[ARRIVAL]),
                "receivers": header[RECEIVERS].split(","),
                "headers": {name.lower(): value for name, value in header.items()},
                "body": text_of(message),
            }
        )
    print(json.dumps(sorted(mails, key=lambda mail: mail["arrival"])))


if sys.argv[1] == "read":
    read(sys.argv[2])
else:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    asyncio.run(serve(json.loads(sys.argv[2])))
