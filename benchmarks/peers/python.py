"""A multiprocessing.Pool that is measured from outside.

Reads a request a line, {"verb": "imap", "n": 1000, "chunk": 1, "ordered": true},
has the pool square the integers below n, and answers with how long that took and
with two sums of the results. Starting the pool is reported once, at first.
"""

import json
import sys
import time
from multiprocessing import Pool


def square(x):
    return x * x


def signed(v):
    """v as it is after an overflow of 64 bits."""
    return (v + 2**63) % 2**64 - 2**63


def answer(pool, request):
    items, chunk = range(request["n"]), request["chunk"]
    start = time.perf_counter()
    if request["verb"] == "map":
        out = pool.map(square, items, chunk)
    else:
        out = list(getattr(pool, request["verb"])(square, items, chunk))
    took = time.perf_counter() - start
    order = 0
    if request["ordered"]:
        for v in out:
            order = (order * 3 + v) & 0xFFFFFFFFFFFFFFFF
    return {"seconds": took, "sum": signed(sum(out)), "order": signed(order)}


def main():
    start = time.perf_counter()
    with Pool(int(sys.argv[1])) as pool:
        pool.map(square, range(100), 1)
        started = {"version": sys.version.split()[0], "seconds": time.perf_counter() - start}
        print(json.dumps(started), flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(pool, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
