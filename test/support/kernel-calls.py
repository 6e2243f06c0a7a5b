"""Calls on the kernel's sockets that Node has no words for. NDJSON on stdout, as kernel-peer.mjs.

fast-open ADDR PORT N    N connections, one after another, each with its data on the SYN where a cookie allows it
urgent-send ADDR PORT    sends 'abc', then 'X' out of band, then 'def', and FIN
urgent-receive PORT      takes one connection and reads what comes out of band, and beside it
"""
import json
import select
import socket
import sys


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def read_all(s):
    octets = b""
    while part := s.recv(65536):
        octets += part
    return octets


def fast_open(address, port, count):
    for i in range(int(count)):
        s = socket.socket()
        data = b"fast open %d" % i
        s.sendto(data, socket.MSG_FASTOPEN, (address, int(port)))
        s.shutdown(socket.SHUT_WR)
        say("echo", same=read_all(s) == data)
        s.close()


def urgent_send(address, port):
    s = socket.create_connection((address, int(port)))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.send(b"abc")
    s.send(b"X", socket.MSG_OOB)
    s.send(b"def")
    s.shutdown(socket.SHUT_WR)
    say("read", text=read_all(s).decode())


def urgent_receive(port):
    listener = socket.create_server(("", int(port)))
    say("ready", port=listener.getsockname()[1])
    s, _ = listener.accept()
    select.select([], [], [s])
    say("urgent", text=s.recv(1, socket.MSG_OOB).decode())
    say("read", text=read_all(s).decode())
    s.close()


{"fast-open": fast_open, "urgent-send": urgent_send, "urgent-receive": urgent_receive}[sys.argv[1]](*sys.argv[2:])
