"""Checks an echo server from Python: `echo.py HOST PORT`. Prints what it verified."""

import os
import socket
import sys
import threading

address = (sys.argv[1], int(sys.argv[2]))
problems = []


def client(number, size):
    sent = os.urandom(size)
    with socket.create_connection(address, timeout=120) as connection:
        def send():
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        came = bytearray()
        while piece := connection.recv(10_000):
            came += piece
        sender.join()
    if came != sent:
        problems.append(f"client {number}: {len(came)} bytes of {len(sent)} came back, or changed ones")


def guarded(*arguments):
    try:
        client(*arguments)
    except Exception as error:
        problems.append(f"client {arguments[0]}: {error!r}")


sizes = [(37 * number * number) % 300_000 for number in range(50)]
threads = [threading.Thread(target=guarded, args=item) for item in enumerate(sizes)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if problems:
    sys.exit("\n".join(problems))
print(f"verified {sum(sizes)} bytes of {len(sizes)} clients")
