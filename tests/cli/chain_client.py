"""A node of Bunkercoin's network, written from the description of its wire format alone: standard library, and
`cryptography` for Ed25519. Mines, sends, asks, and checks everything it is told by rules of its own.

    chain_client.py grow  HOST:PORT HOST:PORT   mines blocks and sends transactions to the first, sees them at the second
    chain_client.py agree HOST:PORT HOST:PORT   sees that both give out the same valid chain and the same mempool
    chain_client.py lie   HOST:PORT             is thrown out for a longer chain with one bad block in the middle

Prints what it has seen, one line; exits 1 at the first thing that is not as described.
"""

import json
import socket
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PATIENCE = 20.0  # seconds for anything that is to come
ROUNDS = 10_000
SPACING = 30
MASK = 0xFFFFFFFF

# Blake3: one chunk is 1,024 bytes in blocks of 64; chunks are the leaves of a binary tree whose left side is the largest
# power of two.
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
COLUMNS_AND_DIAGONALS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8


def compress(chain, block, counter, length, flags):
    state = list(chain) + list(IV[:4]) + [counter & MASK, counter >> 32, length, flags]
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    for _ in range(7):
        for nth, (a, b, c, d) in enumerate(COLUMNS_AND_DIAGONALS):
            va, vb, vc, vd = state[a], state[b], state[c], state[d]
            va = (va + vb + words[2 * nth]) & MASK
            vd ^= va
            vd = (vd >> 16 | vd << 16) & MASK
            vc = (vc + vd) & MASK
            vb ^= vc
            vb = (vb >> 12 | vb << 20) & MASK
            va = (va + vb + words[2 * nth + 1]) & MASK
            vd ^= va
            vd = (vd >> 8 | vd << 24) & MASK
            vc = (vc + vd) & MASK
            vb ^= vc
            state[a], state[b], state[c], state[d] = va, (vb >> 7 | vb << 25) & MASK, vc, vd
        words = [words[at] for at in ORDER]
    return [state[at] ^ state[at + 8] for at in range(8)]


def chunk(data, counter, root):
    blocks = [data[at:at + 64] for at in range(0, len(data), 64)] or [b""]
    chain = list(IV)
    for nth, block in enumerate(blocks):
        flags = CHUNK_START if nth == 0 else 0
        if nth == len(blocks) - 1:
            flags |= CHUNK_END | root
        chain = compress(chain, block, counter, len(block), flags)
    return chain


def tree(data, counter, root):
    if len(data) <= 1024:
        return chunk(data, counter, root)
    left = 1024
    while 2 * left < len(data):
        left *= 2
    children = tree(data[:left], counter, 0) + tree(data[left:], counter + left // 1024, 0)
    return compress(IV, struct.pack("<16I", *children), 0, 64, PARENT | root)


def blake3(data):
    return struct.pack("<8I", *tree(data, 0, ROOT))


assert blake3(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def vector(data):
    return struct.pack("<Q", len(data)) + data


# Transactions and blocks are dicts as in their JSON, but with bytes for arrays of integers.
ARRAYS = {"sender": 32, "recipient": 32, "signature": 64, "prev_hash": 32, "merkle_root": 32, "vdf_output": 32}
TX_KEYS = ["sender", "recipient", "amount", "nonce", "signature"]
HEADER_KEYS = [
    "version", "prev_hash", "merkle_root", "timestamp", "vdf_output", "difficulty", "nonce", "tx_count", "signature",
]


def to_json(value):
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return [to_json(item) for item in value] if isinstance(value, list) else value


def message(kind, value=None):
    said = kind if value is None else {kind: to_json(value)}
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def integer(value, bits):
    assert type(value) is int and 0 <= value < 1 << bits, f"not a u{bits}: {value!r}"
    return value


def fields(value, keys, signature):
    assert list(value) == keys, f"keys {list(value)}"
    lengths = ARRAYS | {"signature": signature}
    read = {}
    for key, item in value.items():
        if key in lengths:
            assert type(item) is list and len(item) == lengths[key], f"{key} of {len(item)}"
            read[key] = bytes(integer(byte, 8) for byte in item)
        else:
            read[key] = integer(item, 32 if key in ("version", "difficulty", "tx_count") else 64)
    return read


def read_tx(value):
    return fields(value, TX_KEYS, 64)


def read_block(value):
    assert list(value) == ["header", "transactions"]
    return {"header": fields(value["header"], HEADER_KEYS, 0), "transactions": [read_tx(tx) for tx in value["transactions"]]}


def signed_bytes(tx):
    return tx["sender"] + tx["recipient"] + struct.pack("<QQ", tx["amount"], tx["nonce"])


def tx_bytes(tx):
    numbers = struct.pack("<QQ", tx["amount"], tx["nonce"])
    return vector(tx["sender"]) + vector(tx["recipient"]) + numbers + vector(tx["signature"])


def header_hash(header):
    version = struct.pack("<I", header["version"])
    time = struct.pack("<Q", header["timestamp"])
    rest = struct.pack("<IQI", header["difficulty"], header["nonce"], header["tx_count"])
    return blake3(
        version + header["prev_hash"] + header["merkle_root"] + time + header["vdf_output"] + rest
        + vector(header["signature"])
    )


def merkle_root(txs):
    return blake3(struct.pack("<Q", len(txs)) + b"".join(tx_bytes(tx) for tx in txs))


def vdf(prev_hash, known={}):
    if prev_hash not in known:
        out = blake3(prev_hash)
        for _ in range(ROUNDS):
            out = blake3(out)
        known[prev_hash] = out
    return known[prev_hash]


def make_tx(seed, amount, nonce):
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    sender = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    tx = {"sender": sender, "recipient": bytes([seed ^ 255]) * 32, "amount": amount, "nonce": nonce}
    return tx | {"signature": key.sign(signed_bytes(tx))}


def mine(chain, txs, first=1_700_000_010):
    prev_hash = header_hash(chain[-1]["header"]) if chain else bytes(32)
    time = chain[-1]["header"]["timestamp"] + SPACING if chain else first
    txs = sorted(txs, key=lambda tx: blake3(tx_bytes(tx)))
    nonce = struct.unpack("<Q", blake3(prev_hash + struct.pack("<Q", time))[:8])[0]
    header = {
        "version": 1, "prev_hash": prev_hash, "merkle_root": merkle_root(txs), "timestamp": time,
        "vdf_output": vdf(prev_hash), "difficulty": ROUNDS, "nonce": nonce, "tx_count": len(txs), "signature": b"",
    }
    return {"header": header, "transactions": txs}


def check(chain):
    for nth, block in enumerate(chain):
        header, txs = block["header"], block["transactions"]
        first = header["timestamp"]
        assert first % SPACING == 0 or nth > 0, "the first block's time"
        assert mine(chain[:nth], txs, first)["header"] == header, f"block {nth} is not what it should be"
        for tx in txs:
            Ed25519PublicKey.from_public_bytes(tx["sender"]).verify(tx["signature"], signed_bytes(tx))


class Node:
    """One connection. What comes and is not waited for is kept."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), PATIENCE)
        self.lines = self.socket.makefile("rb")
        self.kept = []
        # both sides ask on connecting, and both are answered
        asked = sorted(self.next() for _ in range(2))
        assert asked == ["GetChain", "GetMempool"], asked
        self.send(b'{"Chain":[]}\n{"Mempool":[]}\n')

    def send(self, data):
        self.socket.sendall(data)

    def next(self):
        line = self.lines.readline()
        assert line.endswith(b"\n"), f"the connection ended: {line!r}"
        value = json.loads(line)
        assert line == json.dumps(value, separators=(",", ":")).encode() + b"\n", "not compact"
        return value

    def wait(self, kind):
        for nth, value in enumerate(self.kept):
            if kind in value:
                return self.kept.pop(nth)[kind]
        while True:
            value = self.take()
            if value and kind in value:
                return value[kind]
            self.kept += [value] if value else []

    def take(self):
        """What is told; what is asked is answered here."""
        value = self.next()
        if value in ("GetChain", "GetMempool"):
            self.send(message(value.removeprefix("Get"), []))
            return None
        assert isinstance(value, dict) and len(value) == 1, value
        return value

    def chain(self):
        self.send(message("GetChain"))
        return [read_block(block) for block in self.wait("Chain")]

    def mempool(self):
        self.send(message("GetMempool"))
        return [read_tx(tx) for tx in self.wait("Mempool")]

    def until(self, ask, is_so):
        """Asks until the answer is so: what two relays tell each other takes its time."""
        self.socket.settimeout(PATIENCE)
        for _ in range(200):
            answer = ask()
            if is_so(answer):
                return answer
            self.quiet(0.1)
        raise AssertionError("it never came to be so")

    def quiet(self, seconds):
        """Nothing is said for so long, or something is, which is kept."""
        self.socket.settimeout(seconds)
        try:
            if self.socket.recv(1, socket.MSG_PEEK):
                self.socket.settimeout(PATIENCE)
                value = self.take()
                self.kept += [value] if value else []
        except TimeoutError:
            pass
        self.socket.settimeout(PATIENCE)


def grow(first, second):
    node, other = Node(first), Node(second)
    chain = node.chain()
    check(chain)
    # beyond 2^53 a float is another number
    seed = len(chain) + 1
    txs = [make_tx(seed, (1 << 64) - 1, (1 << 53) + 1), make_tx(seed + 100, 0, (1 << 64) - 1)]
    for tx in txs:
        node.send(message("NewTransaction", tx) * 2)  # a repeat goes nowhere
        assert read_tx(other.wait("NewTransaction")) == tx
    chain.append(mine(chain, txs[:1]))
    chain.append(mine(chain, []))
    for block in chain[-2:]:
        node.send(message("NewBlock", block) * 2)
        assert read_block(other.wait("NewBlock")) == block
    assert node.chain() == chain and other.until(other.chain, lambda seen: len(seen) >= len(chain)) == chain
    assert [tx for tx in other.mempool() if tx in txs] == txs[1:], "what is in a block leaves the pool"
    assert not [value for value in other.kept if "NewBlock" in value or "NewTransaction" in value], "told once"
    assert not [value for value in node.kept if "NewBlock" in value or "NewTransaction" in value], "told back"
    print(f"height {len(chain)} tip {header_hash(chain[-1]['header']).hex()}")


def agree(first, second):
    nodes = Node(first), Node(second)
    longest = max(len(node.chain()) for node in nodes)
    chains = [node.until(node.chain, lambda chain: len(chain) >= longest) for node in nodes]
    assert chains[0] == chains[1], "two chains"
    check(chains[0])
    pool = nodes[0].mempool()
    key = lambda tx: tx["signature"]
    nodes[1].until(nodes[1].mempool, lambda other: sorted(other, key=key) == sorted(pool, key=key))
    tip = header_hash(chains[0][-1]["header"]).hex() if chains[0] else ""
    print(f"height {len(chains[0])} tip {tip} mempool {len(pool)}")


def lie(address):
    node = Node(address)
    held = node.chain()
    chain = list(held)
    for _ in range(3):
        chain.append(mine(chain, []))
    bad = dict(chain[-2]["header"])
    bad["vdf_output"] = bytes(32)
    chain[-2] = {"header": bad, "transactions": []}
    chain[-1] = mine(chain[:-1], [])
    node.send(message("Chain", chain))
    try:
        while node.lines.readline():
            pass
    except ConnectionResetError:
        pass
    print(f"height {len(held)}")


if __name__ == "__main__":
    {"grow": grow, "agree": agree, "lie": lie}[sys.argv[1]](*sys.argv[2:])
