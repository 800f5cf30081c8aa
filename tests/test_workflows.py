"""What runs elsewhere: the CI workflows and the targets of make that they call."""

import re
import subprocess
import sys

import keras
import pytest
import yaml

from tta_helpers.workbook import place, runs

WORKFLOWS = sorted((place.ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (place.ROOT / "Makefile").read_text(encoding="utf-8")


def steps(path):
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def check(*paths):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command += ["vendor.github-workflows", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True)


def test_workflows_follow_the_published_schema(tmp_path):
    assert {path.stem for path in WORKFLOWS} == {"ci", "gpu", "newest", "pages"}
    found = check(*WORKFLOWS)
    assert found.returncode == 0, found.stdout + found.stderr
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on", "run-on"))
    assert check(wrong).returncode == 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_their_actions_and_call_what_there_is(path):
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"])
        for target in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", step.get("run", "")):
            for name in target.split():
                assert re.search(rf"^{name}:", MAKEFILE, re.M), name


def test_the_gpu_workflow_blocks_no_pull_request_and_requires_a_gpu():
    content = yaml.safe_load((place.ROOT / ".github/workflows/gpu.yml").read_text(encoding="utf-8"))
    assert set(content[True]) == {"schedule", "workflow_dispatch"}  # YAML 1.1 reads `on` as true
    assert any("--require-gpu" in step.get("run", "") for step in content["jobs"]["full"]["steps"])


def test_ci_covers_the_pythons_of_the_package():
    content = yaml.safe_load((place.ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    pythons = content["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert pythons == ["3.11", "3.12", "3.13"]


def test_ci_tries_the_other_backend_and_the_wheel():
    hosted = [step.get("run", "") for step in steps(place.ROOT / ".github/workflows/ci.yml")]
    own = (place.ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "timed make site-test" in own and "timed make lab-test" in own
    assert any("make lab-test PYTHON=python" in text for text in hosted)
    for target in ("test-backends", "wheel"):
        assert f"make {target} PYTHON=python" in hosted
        assert f"timed make {target}" in own


def test_the_site_is_looked_at_before_it_is_published_and_from_main_alone():
    path = place.ROOT / ".github/workflows/pages.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    site, publish = content["jobs"]["site"], content["jobs"]["publish"]
    ran = [step.get("run", "") for step in site["steps"]]
    assert any("google-chrome" in text for text in ran[: ran.index("make site-test PYTHON=python")])
    assert publish["needs"] == "site" and publish["if"] == "github.ref == 'refs/heads/main'"
    assert content["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    assert site["env"]["SITE_REPOSITORY"].endswith("${{ github.repository }}")


def test_the_copies_for_colab_are_pushed_to_a_branch_of_their_own(tmp_path):
    path = place.ROOT / ".github/workflows/pages.yml"
    job = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["colab"]
    assert job["needs"] == "site" and job["if"] == "github.ref == 'refs/heads/main'"
    assert job["permissions"] == {"contents": "write"}
    (script,) = [step["run"] for step in job["steps"] if "run" in step]

    def git(folder, *arguments):
        command = ["git", "-C", tmp_path / folder, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    git("", "init", "--quiet", "--bare", "--initial-branch=main", "origin")
    git("", "clone", "--quiet", "origin", "here")
    (tmp_path / "here" / ".gitignore").write_text("build/\n")
    git("here", "add", ".")
    who = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    git("here", *who, "commit", "--quiet", "--message", "All there is")
    git("here", "push", "--quiet", "origin", "HEAD:main")
    for text in ("first", "second"):
        git("", "clone", "--quiet", "origin", text)
        (tmp_path / text / "build" / "colab").mkdir(parents=True)
        (tmp_path / text / "build" / "colab" / "01.ipynb").write_text(text)
        subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path / text, check=True)
        assert git("origin", "ls-tree", "--name-only", "colab") == "01.ipynb\n"
        assert git("origin", "show", "colab:01.ipynb") == text
    assert git("origin", "ls-tree", "--name-only", "main") == ".gitignore\n"


def test_require_gpu_says_what_keras_sees(monkeypatch, capsys):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0", "cpu:1"])
    assert runs.main(["run", "--require-gpu"]) == 1
    told = capsys.readouterr().err
    assert "error: A GPU is required" in told and "sees only cpu:0, cpu:1" in told
    for name in ("gpu:0", "cuda:0", "GPU:1"):
        monkeypatch.setattr(keras.distribution, "list_devices", lambda name=name: ["cpu:0", name])
        runs.require_gpu()
