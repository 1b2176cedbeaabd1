"""Models behind a server: the numbers of `hf`, through failures, with no secret written down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.redaction import redacted, scrubbed

from .conftest import Refusal
from .server import Fault, ModelServer

SUITE = """\
summary: one change and the noise
seed: 2026
variants:
  - perturber: control.rerun
  - {perturber: lexical.keyboard_typo, severity: 2}
"""
ITEMS = 5


@pytest.fixture(scope="module")
def only_server(tiny_model: Path) -> Iterator[ModelServer]:
    with ModelServer(tiny_model) as server:
        yield server


@pytest.fixture
def server(only_server: ModelServer) -> ModelServer:
    only_server.reset()
    return only_server


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "little-1.0.yaml"
    path.write_text(SUITE)
    return path


class Asking:
    """`oodrop run` with the same settings and another model each time."""

    def __init__(self, suite: Path, model: Path, server: ModelServer, out: Path) -> None:
        self.suite, self.model, self.server, self.out = suite, model, server, out

    def __call__(self, model: str, name: str, *more: str, task: str = "everyday", **args: Any) -> int:
        if model == "hf":
            args = {"pretrained": self.model, "dtype": "float32", **args}
        else:
            path = "chat/completions" if "chat" in model else "completions"
            address = {"base_url": f"{self.server.url}/v1/{path}", "model": "tiny"}
            args = {**address, "tokenizer": self.model, **args}
            if "chat" in model:
                del args["tokenizer"]
        given = ",".join(f"{k}={v}" for k, v in args.items())
        return oodrop(
            ["run", "--model", model, "--model_args", given, "--name", "m", "--tasks", task,
             "--suite", str(self.suite), "--items", str(ITEMS), "-o", str(self.out / name),
             *(() if "--batch_size" in more else ("--batch_size", "1")), *more]
        )  # fmt: skip

    def samples(self, name: str) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for path in sorted((self.out / name).rglob("samples_*.jsonl")):
            task = f"{path.parts[-3]}/{path.name.rpartition('_')[0]}"
            found[task] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        assert len(found) == 3
        return found

    def replies(self, name: str) -> list[Any]:
        return [row["resps"] for rows in self.samples(name).values() for row in rows]


@pytest.fixture
def ask(suite: Path, tiny_model: Path, server: ModelServer, tmp_path: Path) -> Asking:
    return Asking(suite, tiny_model, server, tmp_path)


def values(replies: list[Any]) -> list[tuple[float, bool]]:
    return [(float(a), str(b) == "True") for item in replies for choice in item for a, b in choice]


def test_log_likelihoods_are_those_of_hf(ask: Asking) -> None:
    """One prompt at a time, several in a request, several requests at once, tokens or texts."""
    assert ask("hf", "hf") == 0
    assert ask("local-completions", "one") == 0
    assert {len(s.payload["prompt"]) for s in ask.server.seen} == {1}
    ask.server.reset()
    assert ask("local-completions", "batched", "--batch_size", "4") == 0
    assert max(len(s.payload["prompt"]) for s in ask.server.seen) == 4
    ask.server.reset()
    ask.server.slow = 0.02
    assert ask("local-completions", "together", num_concurrent=4) == 0
    assert ask.server.together > 1
    assert ask("local-completions", "texts", tokenized_requests=False) == 0
    assert isinstance(ask.server.seen[-1].payload["prompt"], str)
    expected = values(ask.replies("hf"))
    assert len(expected) == 3 * ITEMS * len(ask.replies("hf")[0])
    for name in ("one", "batched", "together", "texts"):
        found = values(ask.replies(name))
        assert max(abs(a - b) for (a, _), (b, _) in zip(found, expected, strict=True)) < 1e-4
        assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
    assert ask.replies("one") == ask.replies("batched") == ask.replies("together")


def test_replies_are_those_of_hf(ask: Asking) -> None:
    short = ("--gen_kwargs", "do_sample=false,max_gen_toks=7")
    chat = (*short, "--apply_chat_template")
    for model, name, more, args in (
        ("hf", "hf", short, {}),
        ("local-completions", "one", short, {}),
        ("local-completions", "together", short, {"num_concurrent": 4}),
        ("hf", "hf-chat", chat, {}),
        ("local-completions", "template-here", chat, {}),
        ("local-chat-completions", "template-there", chat, {}),
        ("local-chat-completions", "there-together", chat, {"num_concurrent": 4}),
    ):
        assert ask(model, name, *more, task="everyday_open", **args) == 0
    plain, chatted = ask.replies("hf"), ask.replies("hf-chat")
    assert plain != chatted
    assert len({json.dumps(r) for r in plain}) > 1
    assert ask.replies("one") == ask.replies("together") == plain
    for name in ("template-here", "template-there", "there-together"):
        assert ask.replies(name) == chatted
    row = next(iter(ask.samples("template-there").values()))[0]
    prompt = row["arguments"]["gen_args_0"]["arg_0"]
    assert json.loads(prompt)[-1]["role"] == "user"


def test_concurrency_changes_nothing_in_what_is_asked(ask: Asking) -> None:
    short = ("--gen_kwargs", "do_sample=false,max_gen_toks=2")
    asked = []
    for number in (1, 4):
        args = {"num_concurrent": number, "seed": 5}
        ask.server.reset()
        assert ask("local-completions", str(number), *short, task="everyday_open", **args) == 0
        asked.append(sorted(json.dumps(s.payload, sort_keys=True) for s in ask.server.seen))
    assert asked[0] == asked[1]
    assert '"seed": 5' in asked[0][0]


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", 2, 429),
        Fault("status", 1, 503, after=4),
        Fault("slow", 1),
        Fault("closed", 2),
        Fault("malformed", 1),
        Fault("error", 1),
        Fault("fewer", 1),
        Fault("no_echo", 1),
    ],
    ids=lambda f: f"{f.kind}{f.status if f.kind == 'status' else ''}",
)
def test_transient_failures_are_got_through(fault: Fault, together: int, ask: Asking) -> None:
    assert ask("local-completions", "well") == 0
    ask.server.reset(Fault(fault.kind, fault.count, fault.status, fault.after))
    assert ask("local-completions", "ill", num_concurrent=together, timeout=1) == 0
    assert ask.server.fault is not None
    assert ask.server.fault.count == 0
    assert ask.replies("ill") == ask.replies("well")


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault("status"), "answered with status 503"),
        (Fault("status", status=401), "status 401; is OPENAI_API_KEY set"),
        (Fault("slow"), "gave no answer within 1 s"),
        (Fault("closed"), "could not be reached or closed the connection"),
        (Fault("malformed"), "answered something that is no JSON"),
        (Fault("error"), 'answered without choices ("overloaded")'),
        (Fault("fewer"), "answered without choices"),
        (Fault("numbered"), "left out one of the choices"),
        (Fault("no_echo"), "gave log-probabilities of 1 tokens where"),
    ],
    ids=lambda v: v.kind + str(v.status if v.kind == "status" else "") if isinstance(v, Fault) else "",
)
@pytest.mark.parametrize("together", [1, 3])
def test_a_permanent_failure_is_one_sentence_and_loses_nothing(
    fault: Fault, why: str, together: int, ask: Asking, capsys: pytest.CaptureFixture[str]
) -> None:
    good = 7
    ask.server.reset(Fault(fault.kind, status=fault.status, after=good))
    settings = {"num_concurrent": together, "timeout": 1, "max_retries": 1}
    capsys.readouterr()
    assert ask("local-completions", "run", **settings) == 5
    said = " ".join(capsys.readouterr().err.split())
    (sentence,) = [s for s in said.split("oodrop: ") if "the server" in s]
    assert sentence.startswith(f"checkpoint m: the server {ask.server.url}/v1/completions (model ti")
    assert why in sentence
    assert sentence.endswith("kept, and the same command continues")
    assert "Traceback" not in said
    assert "Exception" not in said
    assert ask.server.served == good
    unique = 2 * ITEMS * 4  # the rerun's share nothing and come on top
    ask.server.reset()
    assert ask("local-completions", "run", **settings) == 0
    assert len(ask.server.seen) == unique - good + unique // 2
    ask.server.reset()
    assert ask("local-completions", "undisturbed") == 0
    assert len(ask.server.seen) == unique + unique // 2
    assert ask.replies("run") == ask.replies("undisturbed")
