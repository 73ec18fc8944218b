# References on loopback that anybody may connect to, but for those addresses that are shut out: their packets are dropped
# by the listening sockets themselves, so that to them nobody answers.
#
# Reads "shut ADDRESS", "shut all" and "open" from standard input, and answers each with a line.

import ctypes
import ipaddress
import socket
import struct
import sys
import threading

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
# The source address in the header of IPv4, which begins where the kernel says that the network layer does.
SOURCE = 0xFFF00000 + 12


def shut(listener, address):
    if address == "all":
        program = [struct.pack("HBBI", RETURN, 0, 0, 0)]
    else:
        number = int(ipaddress.IPv4Address(address))
        program = [
            struct.pack("HBBI", LOAD_WORD, 0, 0, SOURCE),
            struct.pack("HBBI", JUMP_EQUAL, 0, 1, number),
            struct.pack("HBBI", RETURN, 0, 0, 0),
            struct.pack("HBBI", RETURN, 0, 0, 0xFFFFFFFF),
        ]
    code = ctypes.create_string_buffer(b"".join(program))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(code)))


def accept(listener):
    while True:
        listener.accept()[0].close()


listeners = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(int(sys.argv[1]))]
for listener in listeners:
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
print(" ".join(str(listener.getsockname()[1]) for listener in listeners), flush=True)
for line in sys.stdin:
    word, *address = line.split()
    for listener in listeners:
        if word == "shut":
            shut(listener, *address)
        else:
            listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
    print("done", flush=True)
