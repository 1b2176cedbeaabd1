"""A small OpenAI-compatible server around a real tiny model, which can be told to misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

Kind = Literal["status", "slow", "closed", "malformed", "fewer", "numbered", "error", "no_echo"]


@dataclass
class Fault:
    """What goes wrong, and how often; it begins after some good answers."""

    kind: Kind
    count: int = 10**9
    status: int = 503
    after: int = 0


@dataclass(frozen=True)
class Seen:
    """One request that asked for answers."""

    path: str
    key: str
    payload: dict[str, Any]


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has given up is no error."""


class ModelServer:
    """Serves ``/v1/completions`` and ``/v1/chat/completions`` on a free port, greedy only."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.seen: list[Seen] = []
        self.served = 0
        self.together = 0
        """Largest number of requests that were there at once."""
        self.fault: Fault | None = None
        self.slow = 0.0
        """Seconds by which every answer is late."""
        self._inside = 0
        self._lock, self._model_lock = threading.Lock(), threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                _reply(self, 404, b"{}")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                key = self.headers.get("Authorization", "")
                server._answer(self, Seen(self.path.partition("?")[0], key, json.loads(body)))

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def reset(self, fault: Fault | None = None) -> None:
        """Forget what was seen, and misbehave so from now on."""
        self.seen, self.served, self.together = [], 0, 0
        self.fault, self.slow = fault, 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        with self._lock:
            self.seen.append(seen)
            self._inside += 1
            self.together = max(self.together, self._inside)
            fault = self._fault()
        try:
            time.sleep(self.slow)
            if fault is None or not self._misbehave(handler, fault):
                reply = self._reply(seen)
                if fault is not None:
                    _spoil(reply, fault.kind)
                with self._lock:
                    self.served += fault is None
                _reply(handler, 200, json.dumps(reply).encode())
        except (BrokenPipeError, ConnectionResetError):  # who asked has given up
            handler.close_connection = True
        finally:
            with self._lock:
                self._inside -= 1

    def _fault(self) -> Fault | None:
        fault = self.fault
        if fault is None or len(self.seen) <= fault.after or not fault.count:
            return None
        fault.count -= 1
        return fault

    def _misbehave(self, handler: BaseHTTPRequestHandler, fault: Fault) -> bool:
        """Whether that was all that the client gets."""
        if fault.kind == "status":
            _reply(handler, fault.status, b'{"error": "told so"}')
        elif fault.kind == "closed":
            handler.close_connection = True
        elif fault.kind == "malformed":
            _reply(handler, 200, b'{"choices": [')
        elif fault.kind == "error":
            _reply(handler, 200, b'{"error": "overloaded"}')
        elif fault.kind == "slow":
            time.sleep(1.6)
            handler.close_connection = True
        return fault.kind not in ("fewer", "numbered", "no_echo")

    def _reply(self, seen: Seen) -> dict[str, Any]:
        asked = seen.payload
        assert asked["temperature"] == 0
        if seen.path == "/v1/chat/completions":
            tokens = self.tokenizer.apply_chat_template(
                asked["messages"], add_generation_prompt=True, return_dict=False
            )
            text = self._generate(tokens, asked["max_tokens"], asked["stop"])
            message = {"role": "assistant", "content": text}
            return {"choices": [{"index": 0, "message": message}]}
        assert seen.path == "/v1/completions"
        prompts = [
            self.tokenizer(p).input_ids if isinstance(p, str) else p for p in _prompts(asked)
        ]
        answer = self._score if asked.get("echo") else self._continue
        return {"choices": [{"index": k, **answer(p, asked)} for k, p in enumerate(prompts)]}

    def _score(self, tokens: list[int], asked: dict[str, Any]) -> dict[str, Any]:
        """Log-probabilities of the prompt's tokens and of the one after them."""
        assert (asked["max_tokens"], asked["logprobs"]) == (1, 1)
        with self._model_lock, torch.no_grad():
            chances = self.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        likeliest = chances.argmax(-1).tolist()
        whole = [*tokens, likeliest[-1]]
        values = [row[t].item() for row, t in zip(chances, whole[1:], strict=True)]
        top = [{str(t): row[t].item()} for row, t in zip(chances, likeliest, strict=True)]
        logprobs = {"token_logprobs": [None, *values], "top_logprobs": [None, *top]}
        return {"text": self.tokenizer.decode(whole), "logprobs": logprobs}

    def _continue(self, tokens: list[int], asked: dict[str, Any]) -> dict[str, Any]:
        return {"text": self._generate(tokens, asked["max_tokens"], asked["stop"])}

    def _generate(self, tokens: Sequence[int], most: int, stops: Sequence[str]) -> str:
        inputs = torch.tensor([list(tokens)])
        with self._model_lock, torch.no_grad():
            made = self.model.generate(
                inputs,
                attention_mask=torch.ones_like(inputs),
                max_new_tokens=most,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
            )[0, len(tokens) :]
        text = self.tokenizer.decode(made, skip_special_tokens=True)
        return text[: min((text.find(s) for s in stops if s in text), default=None)]


def _prompts(asked: dict[str, Any]) -> list[Any]:
    """Text, tokens, texts or lists of tokens, as the protocol has it."""
    prompt = asked["prompt"]
    return [prompt] if isinstance(prompt, str) or isinstance(prompt[0], int) else prompt


def _spoil(reply: dict[str, Any], kind: Kind) -> None:
    choices = reply["choices"]
    if kind == "fewer":
        choices.pop()
    elif kind == "numbered":
        for choice in choices:
            choice["index"] += 1
    else:
        for choice in choices:
            for values in choice["logprobs"].values():
                del values[:-1]


def _reply(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
