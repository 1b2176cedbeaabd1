"""Models behind a server: the numbers of `hf`, through failures, with no secret written down."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from oodrop import RunError
from oodrop.harness_ext.checkpoints import CheckpointSpec
from oodrop.harness_ext.cli.app import run as oodrop
from oodrop.harness_ext.servers import checks
from oodrop.reports.redaction import redacted, scrubbed

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
        self.items = ITEMS

    def __call__(
        self, model: str, name: str, *more: str, task: str = "everyday", **args: Any
    ) -> int:
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
             "--suite", str(self.suite), "--items", str(self.items), "-o", str(self.out / name),
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


FAULTS = [
    (Fault("status", 2, 429), "answered with status 429; lower num_concurrent"),
    (Fault("status", 1, 503), "answered with status 503, in the last"),
    (Fault("status", 1, 401), "answered with status 401; is OPENAI_API_KEY set"),
    (Fault("status", 1, 404), "answered with status 404; is base_url whole"),
    (Fault("slow", 1), "gave no answer within 1 s"),
    (Fault("closed", 2), "could not be reached or closed the connection"),
    (Fault("malformed", 1), "answered something that is no JSON"),
    (Fault("error", 1), 'answered without choices ("overloaded")'),
    (Fault("fewer", 1), "gave 1 choices for 2 prompts"),
    (Fault("numbered", 1), "left out one of the choices"),
    (Fault("no_echo", 1), "gave log-probabilities of 1 tokens where "),
]
ids = [f.kind + (str(f.status) if f.kind == "status" else "") for f, _ in FAULTS]
QUESTIONS = [Instance("loglikelihood", {}, (f"{k + 3}.", " yes."), k) for k in range(4)]


def loaded(server: ModelServer, model: Path, together: int, attempts: int = 3) -> Any:
    args = {"base_url": f"{server.url}/v1/completions", "model": "tiny", "tokenizer": str(model)}
    settings = {"timeout": 1, "num_concurrent": together, "max_retries": attempts}
    return CheckpointSpec("m", "local-completions", {**args, **settings}, batch_size=2).load()


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize(("fault", "why"), FAULTS, ids=ids)
def test_what_fails_is_asked_again_and_told_when_attempts_are_used_up(
    fault: Fault, why: str, together: int, server: ModelServer, tiny_model: Path
) -> None:
    lm = loaded(server, tiny_model, together)
    expected = lm.loglikelihood(QUESTIONS)
    server.reset(replace(fault))
    assert lm.loglikelihood(QUESTIONS) == expected
    assert server.fault is not None
    assert server.fault.count == 0
    assert len(server.seen) == len(QUESTIONS) // 2 + fault.count
    server.reset(replace(fault, count=10**9))
    lm = loaded(server, tiny_model, together, attempts=1)
    with pytest.raises(RunError) as caught:
        lm.loglikelihood(QUESTIONS)
    said = str(caught.value)
    assert said.startswith(f"checkpoint m: the server {server.url}/v1/completions (model tiny) ")
    assert why in said
    kept = "the answers so far are kept, and the same command continues"
    assert said.endswith(f"in the last of 1 attempts; {kept}")


def test_requests_that_fail_together_are_told_once(
    server: ModelServer, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lm = loaded(server, tiny_model, 4, attempts=1)
    server.reset(Fault("slow"))
    with pytest.raises(RunError):
        lm.loglikelihood(QUESTIONS * 4)
    gc.collect()  # asyncio tells what nobody asked for when a task goes
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == []


def test_the_attempts_are_as_many_as_were_allowed(server: ModelServer, tiny_model: Path) -> None:
    lm = loaded(server, tiny_model, 1, attempts=2)
    server.reset(Fault("status"))
    with pytest.raises(RunError, match="in the last of 2 attempts"):
        lm.loglikelihood(QUESTIONS)
    assert len(server.seen) == 2


@pytest.mark.parametrize("fault", ["error", "fewer", "numbered"])
@pytest.mark.parametrize("together", [1, 2])
def test_replies_are_counted_too(
    fault: Any, together: int, server: ModelServer, tiny_model: Path
) -> None:
    lm = loaded(server, tiny_model, together, attempts=1)
    settings = {"until": [], "max_gen_toks": 2}
    asked = [Instance("generate_until", {}, (f"{k}.", settings), k) for k in range(2)]
    server.reset(Fault(fault))
    with pytest.raises(RunError, match=r"the server .*choices"):
        lm.generate_until(asked)


def test_a_chat_reply_that_holds_an_error_is_no_empty_answer(server: ModelServer) -> None:
    args = {"base_url": f"{server.url}/v1/chat/completions", "model": "tiny", "max_retries": 1}
    lm = CheckpointSpec("m", "local-chat-completions", args).load()
    prompt = lm.apply_chat_template([{"role": "user", "content": "hi"}])
    server.reset(Fault("error"))
    with pytest.raises(RunError, match="answered without choices"):
        lm.generate_until([Instance("generate_until", {}, (prompt, {"until": []}), 0)])


@pytest.mark.parametrize("together", [1, 3])
def test_a_permanent_failure_loses_nothing(
    together: int, ask: Asking, capsys: pytest.CaptureFixture[str]
) -> None:
    good = 7
    ask.server.reset(Fault("status", after=good))
    settings = {"num_concurrent": together, "max_retries": 1}
    capsys.readouterr()
    assert ask("local-completions", "run", **settings) == 5
    said = capsys.readouterr().err
    assert said.count("the server") == 1
    assert said.count("oodrop: checkpoint m: the server http://127.0.0.1:") == 1
    assert "Traceback" not in said
    assert "Exception" not in said
    assert ask.server.served == good
    unique = 2 * ITEMS * 4
    again = unique // 2  # the rerun, which shares nothing
    ask.server.reset()
    assert ask("local-completions", "run", **settings) == 0
    # Answers that were on their way when another request failed are asked for again.
    assert unique - good <= len(ask.server.seen) - again < unique - good + together
    ask.server.reset()
    assert ask("local-completions", "undisturbed") == 0
    assert len(ask.server.seen) == unique + again
    assert ask.replies("run") == ask.replies("undisturbed")


KEYS = (
    "sk-from-the-environment",
    "sk-from-the-arguments",
    "hf-from-the-arguments",
    "pw-of-address",
)


@pytest.mark.parametrize("ill", [False, True])
def test_no_secret_is_written_or_told(
    ill: bool, ask: Asking, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment, argument, token, password = KEYS
    monkeypatch.setenv("OPENAI_API_KEY", environment)
    if ill:
        ask.server.reset(Fault("status", status=401, after=3))
    host = ask.server.url.removeprefix("http://")
    settings = {
        "base_url": f"http://{host}/v1/completions?code={password}",
        "api_key": argument,
        "auth_token": token,
        "max_retries": 1,
    }
    capsys.readouterr()
    assert ask("local-completions", "run", **settings) == (5 if ill else 0)
    if not ill:
        args = {"max_retries": 1}
        assert ask("local-completions", "other", **args) == 0
    sent = {s.key for s in ask.server.seen}
    assert sent == {f"Bearer {key}" for key in ([argument] if ill else [environment, argument])}
    told = capsys.readouterr()
    files = [p for p in ask.out.rglob("*") if p.is_file()]
    assert len(files) > (0 if ill else 10)
    for key in KEYS:
        assert key not in told.err + told.out
        assert [p for p in files if key.encode() in p.read_bytes()] == []


def test_what_is_secret_and_what_is_not() -> None:
    args = {
        "api_key": "abcdef1", "header": {"Authorization": "Bearer abcdef2"}, "hf_token": "abcdef3",
        "password": 1234567, "base_url": "https://me:abcdef4@host:1/v1?code=abcdef5",
        "think_end_token": "</think>", "add_bos_token": True, "use_auth_token": True,
        "tokenizer": "gpt2", "pretrained": "gpt2", "max_length": 5, "token": None,
    }  # fmt: skip
    shown = redacted(args)
    changed = {k for k in args if shown[k] != args[k]}
    assert changed == {"api_key", "header", "hf_token", "password", "base_url"}
    assert shown["base_url"] == "https://***@host:1/v1?***"
    text = "abcdef1 Bearer abcdef2 abcdef3 1234567 me:abcdef4 code=abcdef5 gpt2"
    assert scrubbed(text, args) == "*** Bearer *** *** *** *** *** gpt2".replace("Bearer ", "")


def test_another_key_opens_the_same_journal() -> None:
    args = {"base_url": "http://h/v1/completions", "model": "m"}
    one, other, moved = (
        CheckpointSpec("m", "local-completions", {**args, **more}).fingerprint({})
        for more in ({"api_key": "abcdef1"}, {"api_key": "abcdef2"}, {"base_url": "http://i/v1"})
    )
    assert one == other != moved


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            [
                "local-chat-completions",
                "base_url=http://h/v1/chat/completions",
                "everyday_open,everyday",
                "--apply_chat_template",
            ],
            (
                "gives replies and no log-likelihoods, which everyday needs; ask the same model "
                "through local-completions, or take tasks with free replies: procedural, "
                "everyday_open"
            ),
        ),
        (
            ["openai-chat-completions", "model=gpt-4o", "everyday,everyday_letters"],
            "which everyday, everyday_letters need; ask",
        ),
        (
            ["local-chat-completions", "base_url=http://h/v1/chat/completions", "everyday_open"],
            "takes messages, so it needs --apply_chat_template",
        ),
        (
            ["local-completions", "model=m", "everyday"],
            "needs base_url=http://HOST:PORT/v1/completions in model_args",
        ),
        (["vllm", "pretrained=m", "everyday"], "needs vllm: pip install 'lm-eval[vllm]'"),
    ],
)
def test_what_a_server_cannot_do_is_refused_before_anything_is_spent(
    arguments: list[str], said: str, refusal: Refusal
) -> None:
    model, args, tasks, *more = arguments
    command = ["run", "--model", model, "--model_args", args, "--tasks", tasks, *more, "-o", "out"]
    code, error = refusal(command)
    assert code == 2
    assert said in error
    assert f"({model})" in error or f"--model {model}" in error
    assert not Path("out").exists()


def test_a_missing_client_says_what_to_install(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checks.find_spec
    monkeypatch.setattr(checks, "find_spec", lambda n: None if n == "tenacity" else found(n))
    code, error = refusal(["run", "--model", "local-completions", "--model_args", "base_url=h"])
    assert code == 2
    assert "--model local-completions needs tenacity: pip install 'lm-eval[api]'" in error


def hit_share(prompts: list[list[int]], remembered: int) -> float:
    """Share of prompt tokens that begin one of the last prompts too: those a cache gives back."""
    hit = 0
    for number, prompt in enumerate(prompts):
        before = prompts[max(0, number - remembered) : number]
        hit += max((alike(prompt, other) for other in before), default=0)
    return hit / sum(map(len, prompts))


def alike(left: list[int], right: list[int]) -> int:
    """Number of tokens at the beginning of both."""
    return next((k for k, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), 0)


@pytest.mark.parametrize(("task", "together"), [("everyday", 1), ("procedural", 2)])
def test_prompts_that_begin_alike_are_sent_together(task: str, together: int, ask: Asking) -> None:
    ask.items = 24
    args = {"max_length": 4096, "num_concurrent": together}
    assert ask("local-completions", "run", "--gen_kwargs", "max_gen_toks=1", task=task, **args) == 0
    prompts = [s.payload["prompt"][0] for s in ask.server.seen]
    main = prompts[: len(prompts) * 2 // 3]  # the rerun comes after it
    remembered = 1 if together == 1 else 8 * together
    plain = hit_share(sorted(main, key=lambda p: (-len(p), p)), 1)
    best = hit_share(sorted(main), 1)
    assert best > 1.7 * plain
    assert hit_share(main, remembered) > 0.95 * best
