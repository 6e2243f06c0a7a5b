"""Echo requests of the kernel's: python3 ping.py ADDRESS COUNT [SECONDS]. Prints how many good replies came, and their TTL."""
import socket
import struct
import sys


def checksum(octets):
    total = sum(struct.unpack("!%dH" % (len(octets) // 2), octets))
    total = (total >> 16) + (total & 0xFFFF)
    return ~((total >> 16) + total) & 0xFFFF


address, count = sys.argv[1], int(sys.argv[2])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw.settimeout(float(sys.argv[3]) if len(sys.argv) > 3 else 5)
data = bytes(range(256)) * 5
replies, ttl = 0, 0
for sequence in range(count):
    message = struct.pack("!BBHHH", 8, 0, 0, 77, sequence) + data
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    raw.sendto(message, (address, 0))
    try:
        while True:
            packet, _ = raw.recvfrom(4096)
            if packet[20] == 0 and packet[24:28] == message[4:8] and packet[28:] == data:
                replies, ttl = replies + 1, packet[8]
                break
    except socket.timeout:
        pass
print(replies, ttl)
