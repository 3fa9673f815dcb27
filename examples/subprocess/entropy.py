import json
import math
import sys
from collections import Counter

for line in sys.stdin:
    text = json.loads(line)["text"]
    counts = Counter(text).values()
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
    print(json.dumps({"length": len(text), "bits": round(bits, 6) + 0.0}), flush=True)
