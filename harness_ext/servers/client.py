"""lm-eval's clients of OpenAI-compatible servers, more careful.

lm-eval 0.4.13 makes ``max_retries`` attempts, waits 1, 1, 2, 4 .. 10 seconds between them, and then
lets out the exception of the library that it asks with. It pairs answers with prompts without
counting them, takes the log-probabilities of a server that does not echo the prompt for 0, and an
error that came with status 200 for an empty reply. Here each of these is an error, in one sentence,
and is retried too. It sends the longest prompts first; here prompts that begin alike go together.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from lm_eval.models.api_models import JsonChatStr
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

from oodrop import RunError
from oodrop.reports.redaction import redacted, scrubbed

_HINTS = {
    401: "; is OPENAI_API_KEY set to its key?",
    403: "; is OPENAI_API_KEY set to its key?",
    404: "; is base_url whole, up to /v1/completions or /v1/chat/completions, and model its name?",
    429: "; lower num_concurrent or raise max_retries",
}
# Requests of each of those that run together before all wait for the last one.
_ROUNDS = 8
_LOGGERS = ("lm_eval.models.api_models", "lm_eval.models.openai_completions")


class UnusableAnswerError(ValueError):
    """What a server answered cannot be what was asked for."""


def client(kind: type[Any], checkpoint: str) -> type[Any]:
    """A class of lm-eval's, made careful if it is a client of such servers.

    Args:
        kind: class of the model.
        checkpoint: name that errors tell.
    """
    if not issubclass(kind, LocalCompletionsAPI):
        return kind
    return type(kind.__name__, (_Careful, kind), {"checkpoint": checkpoint})


class _Careful:
    """What is laid over a client of lm-eval's."""

    checkpoint = ""

    def __init__(self, *arguments: Any, api_key: str | None = None, **settings: Any) -> None:
        # lm-eval would read the environment alone, and say nothing.
        if api_key and not settings.get("header"):
            settings["header"] = {"Authorization": f"Bearer {api_key}"}
        super().__init__(*arguments, **settings)

    def loglikelihood(self, requests: Any, **settings: Any) -> Any:
        with self._failures_told():
            return super().loglikelihood(requests, **settings)  # type: ignore[misc]

    def loglikelihood_rolling(self, requests: Any, **settings: Any) -> Any:
        with self._failures_told():
            return super().loglikelihood_rolling(requests, **settings)  # type: ignore[misc]

    def generate_until(self, requests: Any, **settings: Any) -> Any:
        ask = super().generate_until  # type: ignore[misc]
        with self._failures_told():
            return self._in_order(
                requests,
                lambda r: (json.dumps(r.args[1], sort_keys=True), r.args[0]),
                lambda part: ask(part, **settings),
            )

    def _loglikelihood_tokens(self, requests: Any, **settings: Any) -> Any:
        ask = super()._loglikelihood_tokens  # type: ignore[misc]
        return self._in_order(
            requests, lambda r: [*r[1], *r[2]], lambda part: ask(part, **settings)
        )

    def _in_order(
        self, requests: Sequence[Any], begin: Callable[[Any], Any], ask: Callable[[Any], Any]
    ) -> list[Any]:
        """Ask in the order of the prompts: the server has the beginning of each still at hand.

        lm-eval would go by length; it still does within a part.
        """
        size, together = self._batch_size, self._concurrent  # type: ignore[attr-defined]
        if together > 1:
            size *= together * _ROUNDS
        order = sorted(range(len(requests)), key=lambda k: begin(requests[k]))
        answers: list[Any] = [None] * len(requests)
        for start in range(0, len(order), size):
            part = order[start : start + size]
            for k, answer in zip(part, ask([requests[k] for k in part]), strict=True):
                answers[k] = answer
        return answers

    def apply_chat_template(self, *arguments: Any, **settings: Any) -> Any:
        """The messages as JSON text: a journal and a log of samples hold texts."""
        made = super().apply_chat_template(*arguments, **settings)  # type: ignore[misc]
        return made.prompt if isinstance(made, JsonChatStr) else made

    def create_message(self, messages: Any, generate: bool = False) -> Any:
        if isinstance(self, LocalChatCompletion):
            messages = [JsonChatStr(m) if isinstance(m, str) else m for m in messages]
        return super().create_message(messages, generate)  # type: ignore[misc]

    def model_call(self, messages: Any, **settings: Any) -> Any:
        output = super().model_call(messages, **settings)  # type: ignore[misc]
        _check_count(_choices(output), len(messages))
        if not settings.get("generate", True):
            _check_lengths(output, messages)
        return output

    async def amodel_call(self, *arguments: Any, messages: Any, **settings: Any) -> Any:
        # As in model_call; lm-eval leaves it out here, and concurrency would change the request.
        settings["eos"] = self.eos_string  # type: ignore[attr-defined]
        answers = await super().amodel_call(*arguments, messages=messages, **settings)  # type: ignore[misc]
        _check_count(answers, len(messages))
        return answers

    async def get_batched_requests(self, *arguments: Any, **settings: Any) -> Any:
        # The first failure is told; those of requests beside it would be printed one by one.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        return await super().get_batched_requests(*arguments, **settings)  # type: ignore[misc]

    def parse_logprobs(self, outputs: Any, tokens: Any = None, **more: Any) -> Any:
        for output in outputs if isinstance(outputs, list) else [outputs]:
            _check_count(_choices(output), len(tokens))
            _check_lengths(output, tokens)
        return super().parse_logprobs(outputs, tokens, **more)  # type: ignore[misc]

    def parse_generations(self, outputs: Any, **more: Any) -> Any:
        for output in outputs if isinstance(outputs, list) else [outputs]:
            _choices(output)
        return super().parse_generations(outputs, **more)  # type: ignore[misc]

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        import aiohttp

        unreachable = (
            requests.RequestException,
            aiohttp.ClientError,
            ConnectionError,
            TimeoutError,
        )
        unreadable = (ValueError, LookupError, TypeError, AssertionError)
        try:
            with _silent(_LOGGERS):
                yield
        except (*unreachable, *unreadable) as error:
            # Without the cause: its own text may hold the address whole, with a key in it.
            raise RunError(self._sentence(error)) from None

    def _sentence(self, error: Exception) -> str:
        address = self.base_url  # type: ignore[attr-defined]
        secrets = {"base_url": address, "header": self.header}  # type: ignore[attr-defined]
        why = scrubbed(_why(error, self.timeout), secrets)  # type: ignore[attr-defined]
        return (
            f"checkpoint {self.checkpoint}: the server {redacted(secrets)['base_url']} "
            f"(model {self.model}) {why}, in the last of {self.max_retries} attempts; "  # type: ignore[attr-defined]
            "the answers so far are kept, and the same command continues"
        )


def _choices(output: Any) -> Sequence[Any]:
    """The answers in a server's reply, one to a prompt.

    Raises:
        UnusableAnswerError: when there are none, or their numbers leave one out.
    """
    choices = output.get("choices") if isinstance(output, dict) else None
    if not isinstance(choices, list) or not choices:
        said = output.get("error", output) if isinstance(output, dict) else output
        raise UnusableAnswerError(f"answered without choices ({json.dumps(said):.120})")
    if sorted(c["index"] for c in choices) != list(range(len(choices))):
        raise UnusableAnswerError("left out one of the choices that it numbered")
    return choices


def _check_count(answers: Sequence[Any], wanted: int) -> None:
    if len(answers) != wanted:
        raise UnusableAnswerError(f"gave {len(answers)} choices for {wanted} prompts")


def _check_lengths(output: Any, prompts: Sequence[Sequence[int]]) -> None:
    """The prompt's tokens and the one that the server had to add: only then is the cut right."""
    for choice in output["choices"]:
        if not choice.get("logprobs"):
            raise UnusableAnswerError("gave no log-probabilities")
        found = len(choice["logprobs"]["token_logprobs"])
        wanted = len(prompts[choice["index"]]) + 1
        if found != wanted:
            raise UnusableAnswerError(
                f"gave log-probabilities of {found} tokens where {wanted} were due (it must take "
                "echo=true and have the tokenizer that is named in model_args)"
            )


def _why(error: Exception, seconds: float) -> str:
    import aiohttp

    response = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(response, "status_code", None)
    if isinstance(error, aiohttp.ContentTypeError | json.JSONDecodeError):
        return "answered something that is no JSON"
    if status:
        return f"answered with status {status}{_HINTS.get(status, '')}"
    if isinstance(error, UnusableAnswerError):
        return str(error)
    if isinstance(error, TimeoutError | requests.Timeout):
        return f"gave no answer within {seconds:g} s (timeout in model_args)"
    if isinstance(error, OSError | aiohttp.ClientError):
        return "could not be reached or closed the connection"
    return f"gave an answer that cannot be read ({type(error).__name__}: {error!s:.120})"


@contextmanager
def _silent(names: Sequence[str]) -> Iterator[None]:
    """One error is told once; lm-eval logs every attempt, with what the server said."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was in zip(loggers, before, strict=True):
            logger.disabled = was
