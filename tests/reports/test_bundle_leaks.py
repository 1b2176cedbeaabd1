"""What does not leave in a bundle: secrets, and paths of the machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from oodrop import DataError
from oodrop.reports.build import build_report
from oodrop.reports.bundle.leaks import Leaks
from oodrop.reports.bundle.manifest import read_manifest
from oodrop.reports.bundle.verify import verify_bundle

from .bundling import HOME, KEY, OTHER, SECRET, everywhere, submit
from .runs import (
    MAIN,
    TYPO,
    edit_json,
    edit_line,
    samples_file,
    tasks_of,
    write_checkpoint,
    write_run,
)

SECRETS: dict[str, Any] = {
    "text": f"pretrained={HOME}/alpha,api_key={SECRET},dtype=float32",
    "object": {"pretrained": f"{HOME}/alpha", "auth_token": SECRET},
    "header": {"pretrained": "org/alpha", "header": {"Authorization": f"Bearer {SECRET}"}},
    "login": f"pretrained=org/alpha,base_url=https://ada:{SECRET}@host/v1",
    "query in text": f"pretrained=org/alpha,base_url=https://host/v1?k={SECRET}",
    "header in text": f"pretrained=org/alpha,header=X-Key: {SECRET}",
    "query": {"pretrained": "org/alpha", "base_url": f"https://host/v1?key={SECRET}"},
}


@pytest.mark.parametrize("args", SECRETS.values(), ids=list(SECRETS))
@pytest.mark.parametrize("marked", [True, False], ids=["oodrop", "lm-eval"])
def test_secrets_and_paths_of_settings_stay(tmp_path: Path, args: Any, marked: bool) -> None:
    run = tmp_path / "run"
    if marked:
        write_checkpoint(tmp_path, "run", rerun=False)
        shutil.rmtree(run / "main")

    def plant(results: dict[str, Any]) -> None:
        results["model_name"] = f"{HOME}/alpha"
        results["model_name_sanitized"] = f"{HOME}/alpha".replace("/", "__")
        results["config"]["use_cache"] = f"{HOME}/cache"
        results["config"]["user_folder"] = HOME.removesuffix("/models")
        results["config"]["gen_kwargs"] = {"note": f"see {HOME}/notes.txt, {KEY}"}
        results["pretty_env_info"] = f"PyTorch version: 2.13.0\nHostname: ada-laptop\n{HOME}"
        for own in results["configs"].values():
            own["metadata"] |= {"api_key": OTHER, "pretrained": f"{HOME}/alpha"}
            own["description"] = f"made with {OTHER} in ~/work/tasks"

    write_run(run / "main", tasks_of(*MAIN), model_args=args, edit=plant)
    lm_evals = run / "main/org__alpha"
    lm_evals.rename(lm_evals.with_name(HOME.replace("/", "__") + "__alpha"))
    bundle = submit(run, tmp_path / "bundle")
    for name, data in everywhere(bundle):
        for planted in (
            SECRET,
            OTHER,
            KEY,
            HOME,
            "ada.l",
            "ada:",
            "__home",
            "ada-laptop",
            "/home",
            "~/",
        ):
            # Two bytes stand somewhere in every picture.
            assert planted.encode() not in data or (planted, name[-4:]) == ("~/", ".png"), name
        assert str(tmp_path).encode() not in data
    redacted = read_manifest(bundle).redacted
    assert redacted["secrets"] > 4
    assert redacted["paths"] > 4
    assert redacted["machine"] == 1
    environment = json.loads((bundle / "environment.json").read_text())
    assert environment["torch"] == ["2.13.0"]
    verify_bundle(bundle)
    (told,) = build_report([bundle], resamples=50).checkpoints
    assert told.name == ("run" if marked else "alpha")


def test_a_secret_of_the_environment_stays(
    alpha: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in alpha.rglob("results_*.json"):
        edit_json(path, lambda r: r.update(git_hash=f"at {SECRET}"))
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    bundle = submit(alpha, tmp_path / "bundle")
    assert not any(SECRET.encode() in data for _, data in everywhere(bundle))


def test_a_secret_in_the_name_of_a_file_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_run(run, tasks_of(*MAIN), model_args=f"pretrained=org/alpha,api_key={SECRET}")
    for path in list((run / "org__alpha").iterdir()):
        path.rename(path.with_name(path.name.replace("2026-11-21T22-06-14.086937", SECRET)))
    with pytest.raises(DataError, match="would hold a secret, and nothing was written"):
        submit(run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


PLANTED = {
    "its own secret": (SECRET, "a secret"),
    "a key by its shape": (KEY, "a secret"),
    "its own folder": (f"in {HOME}/alpha now", "a path of the machine"),
    "its own home": (f"\n{HOME.removesuffix('/models')}/x", "a path of the machine"),
}


@pytest.mark.parametrize(("text", "what"), PLANTED.values(), ids=list(PLANTED))
def test_a_row_that_holds_one_is_refused(tmp_path: Path, text: str, what: str) -> None:
    run = write_checkpoint(tmp_path, "alpha", rerun=False)
    for path in run.rglob("results_*.json"):
        edit_json(
            path,
            lambda r: r["config"].update(model_args=f"pretrained={HOME}/alpha,api_key={SECRET}"),
        )
    edit_line(samples_file(run, TYPO), 3, lambda row: row.update(resps=[[text]]))
    with pytest.raises(DataError, match=f"{TYPO.slug}.*line 3: this row holds {what}"):
        submit(run, tmp_path / "bundle")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alpha"]


def test_a_key_of_every_service_is_known() -> None:
    """The quick look misses nothing that the pattern finds."""
    leaks = Leaks((), ())
    for key in (
        KEY, "sk-" + "a" * 24, *(f"gh{kind}_" + "b" * 36 for kind in "pousr"),
        "github_pat_" + "c" * 40, "xoxb-" + "1" * 24, "AKIA" + "D" * 16, "AIza" + "e" * 35,
        "-----BEGIN RSA PRIVATE KEY-----",
    ):  # fmt: skip
        assert leaks.in_bytes(f'{{"a": "{key}"}}'.encode()) == "a secret", key
    assert leaks.in_bytes(b"hf_model sk-learn AKIA AIza -----BEGIN TEXT-----") == ""


def test_paths_are_found_by_their_start_and_end() -> None:
    leaks = Leaks((), ("/data/me", "C:\\Users\\me"))
    for text in ("/data/me", "x=/data/me/y", '"/data/me"', "\\n/data/me", "\\u000a/data/me."):
        assert leaks.in_bytes(text.encode()), text
        assert "/data/me" not in leaks.text(text)
    assert leaks.in_bytes(json.dumps("in C:\\Users\\me\\x").encode())
    for text in ("/data/meat", "x/data/me", "../data/me", "/data/me-2"):
        assert not leaks.in_bytes(text.encode()), text


def test_other_paths_may_stand_in_rows(tmp_path: Path) -> None:
    run = write_checkpoint(
        tmp_path, "alpha", rerun=False, text=lambda k: f"What is in /home/user/{k} or km/h or /tmp?"
    )
    verify_bundle(submit(run, tmp_path / "bundle"))
