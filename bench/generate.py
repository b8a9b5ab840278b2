"""Writes products-1.jsonl .. products-4.jsonl: ROWS products with mixed scripts, escapes and lengths (about 500 bytes a line).

python3 bench/generate.py DIRECTORY ROWS [SEED] [CHANGED_PER_MILLE]
CHANGED_PER_MILLE re-prices that share of the rows: the same catalogue a day later.

Every figure of docs/benchmarks.md is about this catalogue, so what a seed yields never changes: bench/self_check.py
knows the digest of a small one.
"""
import json
import pathlib
import random
import sys

FILES = 4
DEFAULT_SEED = 7
WORDS = (
    "ultra soft cotton wireless bluetooth steel premium kids summer winter leather running classic portable smart "
    "compact vintage organic bamboo ergonomic adjustable waterproof noise cancelling café naïve größe 漢字 кофе emoji😀 "
    '"quoted" back\\slash tab\t'
).split(" ")
CATEGORIES = [
    "Elektronik", "Home & Kitchen", "Spor", "Mode/Schuhe", "Books", "Toys", "Garden", "Beauty", "Auto", "Süpermarket",
]
BRANDS = ["Acme", "Globex", "Initech", "Umbrella", "Stark", "Wayne", "Hooli", "Vandelay", "Soylent", "Ürün"]


def products(rows, seed=DEFAULT_SEED, changed_per_mille=0):
    """The products, in the order they are written."""
    rng, day = random.Random(seed), random.Random(seed + 1)
    ids = list(range(1, rows + 1))
    rng.shuffle(ids)
    for product_id in ids:
        product = {
            "id": product_id,
            "title": " ".join(rng.choices(WORDS, k=rng.randint(3, 8))),
            "price": round(rng.uniform(1, 2000), 2),
            "category": rng.choice(CATEGORIES),
            "brand": rng.choice(BRANDS),
            "url": f"https://shop.example/p/{product_id}-{rng.getrandbits(32):x}",
            "description": " ".join(rng.choices(WORDS, k=rng.randint(10, 60))),
        }
        if day.randrange(1000) < changed_per_mille:
            product["price"] = round(product["price"] + 1, 2)
        yield product


def line(number, product):
    """Every third line is ASCII with escapes, the others are UTF-8."""
    return json.dumps(product, ensure_ascii=(number % 3 == 0)) + "\n"


def write(directory, rows, seed=DEFAULT_SEED, changed_per_mille=0):
    """Writes the files and returns their paths."""
    paths = [pathlib.Path(directory) / f"products-{n + 1}.jsonl" for n in range(FILES)]
    files = [path.open("w", encoding="utf-8") for path in paths]
    for number, product in enumerate(products(rows, seed, changed_per_mille)):
        files[number * FILES // rows].write(line(number, product))
    for file in files:
        file.close()
    return paths


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    write(sys.argv[1], *map(int, sys.argv[2:]))
