"""Train the tagger. The same seed, corpora and versions give the same weights on the same machine.

python -m indexer.ner.training.train CORPORA --out indexer/ner/weights.npz
"""

import argparse
import hashlib
import math
import random
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.ner.tagger import DILATIONS, LABELS
from indexer.ner.training import corpora, invented
from indexer.ner.training.examples import Example, Writer, chained, templates
from indexer.ner.words import AFFIX_ROWS, COLUMNS, LISTS, SHAPE_ROWS, WORD_ROWS, Array, Words, folded, spans

WIDTH = 128
EPOCHS = 10
BATCH_WORDS = 3000
MOST_WORDS = 400
SWAP = 0.4
OF_TEMPLATES = 3
"""Examples of each template and epoch."""
PLAIN = 3000
"""Technical paragraphs in each epoch."""
DROPOUT = 0.25
UNKNOWN = 0.2
"""How often a word's own rows are left out, so that its looks and its neighbours must do."""
UNLISTED = 0.3
"""How often a word is taken for one that no list has."""
RATE = 3e-3
LEAST_COMMON, OFTENER = 2, 2
"""A word is a usual one that the corpora write small so often, and so many times as often as in a name."""
HERE = Path(__file__).parent


class Network(nn.Module):
    """The network of `tagger.Tagger`, as it learns."""

    def __init__(self) -> None:
        super().__init__()
        rows = {"word": WORD_ROWS, "prefix": AFFIX_ROWS, "suffix": AFFIX_ROWS, "shape": SHAPE_ROWS}
        rows |= {"list": 2 ** len(LISTS), "space": 2}
        self.tables = nn.ModuleDict({name: nn.Embedding(number, WIDTH) for name, number in rows.items()})
        for table in self.tables.values():
            nn.init.normal_(table.weight, std=0.3)  # type: ignore[arg-type]
        self.norm_in = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList([nn.Linear(3 * WIDTH, 2 * WIDTH) for _ in DILATIONS])
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH) for _ in DILATIONS])
        self.out = nn.Linear(WIDTH, len(LABELS))

    def forward(self, numbers: Tensor, there: Tensor) -> Tensor:
        """Scores (texts, words, labels) for columns (texts, words, COLUMNS), and 1 where a word is there, else 0."""
        tables = self.tables
        own = tables["word"](numbers[..., 0]) + tables["word"](numbers[..., 1])
        if self.training:
            own = own * (torch.rand(own.shape[:2]) > UNKNOWN)[..., None]
        states = own
        for column, name in enumerate(("prefix", "suffix", "shape", "list", "space"), start=2):
            rows = numbers[..., column]
            if self.training and name == "list":
                rows = rows * (torch.rand(rows.shape) > UNLISTED)
            states = states + tables[name](rows)
        states = functional.dropout(self.norm_in(states), DROPOUT, self.training) * there
        for dilation, layer, norm in zip(DILATIONS, self.layers, self.norms, strict=True):
            before = functional.pad(states, (0, 0, dilation, 0))[:, : states.shape[1]]
            after = functional.pad(states, (0, 0, 0, dilation))[:, dilation:]
            value, gate = layer(torch.cat((before, states, after), dim=2)).chunk(2, dim=2)
            states = norm(states + functional.dropout(value * torch.sigmoid(gate), DROPOUT, self.training)) * there
        scores: Tensor = self.out(states)
        return scores

    def weights(self) -> dict[str, Array]:
        """The weights under the names of the tagger, in half precision."""
        state: dict[str, Tensor] = self.state_dict()
        found = {name: state[f"tables.{name}.weight"] for name in self.tables}
        found |= {"norm_in": state["norm_in.weight"], "norm_in_bias": state["norm_in.bias"]}
        for number in range(len(DILATIONS)):
            found |= {f"layer{number}": state[f"layers.{number}.weight"].T}
            found |= {f"layer{number}_bias": state[f"layers.{number}.bias"]}
            found |= {f"norm{number}": state[f"norms.{number}.weight"]}
            found |= {f"norm{number}_bias": state[f"norms.{number}.bias"]}
        found |= {"out": state["out.weight"].T, "out_bias": state["out.bias"]}
        return {name: np.ascontiguousarray(value.detach().numpy().astype(np.float16)) for name, value in found.items()}


def main() -> int:
    """Train, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--out", type=Path, default=HERE.parent / "weights.npz")
    parser.add_argument("--templates", type=Path, default=HERE)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    began = time.process_time()
    chance = random.Random(arguments.seed)  # noqa: S311 - a repeatable run, not a secret
    inventor = invented.Inventor(chance)
    inventor.seed(arguments.seed)
    writer = Writer(chance, inventor)
    real = [
        (sentence, corpus.language)
        for corpus in corpora.CORPORA
        for sentence in corpora.sentences(corpus, arguments.corpora)
    ]
    patterns = [
        (line, language) for language in ("en", "fr") for line in templates(arguments.templates / f"{language}.txt")
    ]
    plain = [*corpora.technical(()), *(line for line, _ in patterns)]
    lists, people = name_lists(real, plain)
    technical = list(corpora.technical(people))
    words = Words(tuple(frozenset(one.tolist()) for one in lists.values()))
    network = Network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    steps = 0
    for epoch in range(arguments.epochs):
        examples = [writer.of_sentence(one, language, swap=SWAP) for one, language in real]
        joined = list(chained(examples, chance, most=MOST_WORDS))
        written = [writer.of_template(line, language) for line, language in patterns for _ in range(OF_TEMPLATES)]
        written += [writer.of_plain(text) for text in chance.sample(technical, min(len(technical), PLAIN))]
        chance.shuffle(written)
        joined += list(chained(written, chance, most=MOST_WORDS))
        batches = list(_batches(joined, words, chance))
        total, loss_sum = arguments.epochs * len(batches), 0.0
        network.train()
        for numbers, labels in batches:
            for group in optimiser.param_groups:
                group["lr"] = (
                    RATE * min(1.0, (steps + 1) / 200) * 0.5 * (1 + math.cos(math.pi * min(1.0, steps / total)))
                )
            optimiser.zero_grad()
            scores = network(numbers, (labels >= 0)[..., None].float())
            loss = functional.cross_entropy(
                scores.flatten(0, 1), labels.flatten(), ignore_index=-1, label_smoothing=0.02
            )
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            steps += 1
            loss_sum += loss.item()
        spent = time.process_time() - began
        told = f"epoch {epoch + 1}: loss {loss_sum / len(batches):.4f}, {spent:.0f} s of processor"
        sys.stderr.write(told + "\n")
    made: dict[str, Any] = network.weights() | lists
    np.savez_compressed(arguments.out, **made)
    content = arguments.out.read_bytes()
    sys.stdout.write(f"{arguments.out}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}\n")
    return 0


def name_lists(
    real: Sequence[tuple[corpora.Sentence, str]], plain: Sequence[str]
) -> tuple[dict[str, Array], frozenset[str]]:
    """The hashes of the words in the lists, less those that are mostly written small; and the names of people."""
    common: dict[str, list[int]] = {}
    for sentence, _ in real:
        for word, entity in sentence:
            counts = common.setdefault(folded(word), [0, 0])
            counts[0] += not entity and word.islower()
            counts[1] += bool(entity)
    for text in plain:
        for word in re.findall(r"[^\W\d_]+", text):
            common.setdefault(folded(word), [0, 0])[0] += word.islower()
    listed = invented.listed([locale for locales in invented.LOCALES.values() for locale in locales])
    usual = {word for word, (small, named) in common.items() if small >= LEAST_COMMON and small > OFTENER * named}
    names = {
        kind: {word for word in map(folded, words) if len(word) > 1 and word not in usual}
        for kind, words in listed.items()
    }
    hashed = {kind: _hashes(words) for kind, words in names.items()}
    return hashed | {"common": _hashes(usual)}, frozenset(names["first"] | names["last"])


def _hashes(words: Iterable[str]) -> Array:
    return np.array(sorted({crc32(word.encode()) for word in words}), np.uint32)


def _batches(examples: list[Example], words: Words, chance: random.Random) -> Iterator[tuple[Tensor, Tensor]]:
    examples = sorted(examples, key=lambda example: (len(example.labels), chance.random()))
    groups: list[list[Example]] = [[]]
    for example in examples:
        if groups[-1] and (len(groups[-1]) + 1) * len(example.labels) > BATCH_WORDS:
            groups.append([])
        groups[-1].append(example)
    chance.shuffle(groups)
    for group in groups:
        longest = max(len(example.labels) for example in group)
        if not longest:
            continue
        numbers = np.zeros((len(group), longest, COLUMNS), np.int64)
        labels = np.full((len(group), longest), -1, np.int64)
        for number, example in enumerate(group):
            own = words.numbers(example.text, spans(example.text))
            numbers[number, : len(own)] = own
            labels[number, : len(own)] = example.labels
        yield torch.from_numpy(numbers), torch.from_numpy(labels)


if __name__ == "__main__":
    raise SystemExit(main())
