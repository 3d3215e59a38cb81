#!/usr/bin/env python3
"""Verifies a recording by docs/recording-format.md alone: python3 and the openssl command, nothing of the gateway.

verify-recording.py RECORDING PUBLIC_KEY.pem: prints "ok FRAMES REASON LINK" or "bad FRAME WHY" (-1 is the header).
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile

MAGIC = b"SALLYREC\x01"
CONTEXT = b"sallyport recording seal 1\x00"


class Bad(Exception):
    pass


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def number(data):
    return int.from_bytes(data, "big")


def signature_holds(key, message, signature):
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("message", "signature")]
        for path, data in zip(paths, (message, signature)):
            with open(path, "wb") as file:
                file.write(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", paths[0], "-sigfile", paths[1]]
        return subprocess.run(command, capture_output=True).returncode == 0


def verify(file, key):
    def take(length, frame):
        data = file.read(length)
        if len(data) < length:
            raise Bad(frame, "truncated")
        return data

    if file.read(len(MAGIC)) != MAGIC:
        raise Bad(-1, "not a recording")
    length = take(4, -1)
    if number(length) > 65536:
        raise Bad(-1, "header too long")
    header = take(number(length), -1)
    link = take(32, -1)
    if sha256(MAGIC, length, header) != link:
        raise Bad(-1, "altered")
    frame = 0
    while True:
        begin = file.tell()
        head = file.read(9)
        if head == b"":
            raise Bad(frame, "no seal")
        if len(head) < 9:
            raise Bad(frame, "truncated")
        length, kind, seq = number(head[:4]), head[4], number(head[5:])
        if length > 1048576 or kind not in (1, 2, 3, 4):
            raise Bad(frame, "altered")
        if seq != frame:
            raise Bad(frame, "missing or reordered")
        if kind == 3:
            break
        body = take(length + 16, frame)
        next_link = take(32, frame)
        if sha256(link, head, body) != next_link:
            raise Bad(frame, "altered")
        link = next_link
        frame += 1
    text = take(length, frame)
    signature = take(64, frame)
    if not signature_holds(key, CONTEXT + link + head + text, signature):
        raise Bad(frame, "bad signature")
    seal = json.loads(text)
    subject = json.loads(header)["subject"]
    if (seal["frames"], seal["bytes"], seal["link"], seal["session"]) != (frame, begin, link.hex(), subject["session"]):
        raise Bad(frame, "seal of another recording")
    if file.read(1) != b"":
        raise Bad(frame + 1, "bytes after the seal")
    return f"ok {frame} {seal['reason']} {link.hex()}"


try:
    with open(sys.argv[1], "rb") as recording:
        print(verify(recording, sys.argv[2]))
except Bad as bad:
    print("bad", *bad.args)
    sys.exit(1)
