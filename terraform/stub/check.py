"""Validates and tests the Terraform modules with the real Terraform and a provider that reaches nothing.

`check.py CACHE` puts schema and provider into the folder CACHE once, and works on copies of the modules: nothing is
written into the tree. It needs `terraform` and, the first time, `npm`.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE.parent
BINDINGS = ("@cdktf/provider-aws", "21.22.1")
BINDINGS_SHA512 = "BuSHeaQFUL9l33pBzIMRT7cTQ69AM2mLtijjteCPhVQRmvuhuj9Lvfymf7knAMhYqAT6+Lrls9jiGVW/Us3zrQ=="
# the provider that the bindings were made from
PROVIDER = "6.25.0"
MIRROR = f"registry.terraform.io/hashicorp/aws/{PROVIDER}/linux_amd64"
ACCOUNT = "111122223333"
# what examples are given instead of zips that were built
VARIABLES = {}


def main():
    cache = Path(sys.argv[1])
    faults = []
    if run(["terraform", "fmt", "-check", "-diff", "-recursive", "."], MODULES) != 0:
        faults.append("format")
    with tempfile.TemporaryDirectory(prefix="porpoise-terraform-") as scratch:
        copy = Path(scratch) / "modules"
        shutil.copytree(MODULES, copy, ignore=shutil.ignore_patterns(".terraform*", "__pycache__"))
        VARIABLES["TF_VAR_functions"] = str(copy / "control-plane" / "tests" / "functions")
        mirror = provider(schema(cache), Path(scratch), copy)
        for folder in sorted({file.parent for file in copy.rglob("*.tf")}):
            faults += check(folder, mirror, folder.relative_to(copy))
        faults += negatives(copy / "control-plane", mirror)
    print(f"terraform: {'all is well' if not faults else 'failed: ' + ', '.join(faults)}")
    sys.exit(1 if faults else 0)


def check(folder, mirror, name):
    """Validates a module, and tests it if it has tests."""
    print(f"terraform: {name}", flush=True)
    if run(["terraform", "init", "-input=false", "-no-color", f"-plugin-dir={mirror}"], folder, quiet=True) != 0:
        return [f"{name} init"]
    commands = [["validate", "-no-color"]]
    if (folder / "tests").is_dir():
        commands.append(["test", "-no-color"])
    else:
        # an example: planned, made, and planned again without a change
        commands += [["apply", "-no-color", "-auto-approve", "-input=false"], ["plan", "-no-color", "-detailed-exitcode", "-input=false"]]
    return [f"{name} {command[0]}" for command in commands if run(["terraform", *command], folder, quiet=command[0] in ("apply", "plan")) != 0]


def negatives(folder, mirror):
    """Mistakes that have to be found, or nothing that was found good means anything."""
    mistakes = {
        "a misspelt argument": ("main.tf", "template_url =", "template_uri ="),
        "a missing argument": ("artefacts.tf", "\n  key     = ", "\n  # key   = "),
        "an attribute that is not there": ("main.tf", "current.account_id", "current.account"),
    }
    missed = []
    for what, (file, right, wrong) in mistakes.items():
        text = (folder / file).read_text()
        assert right in text, f"{file} has no `{right}`"
        (folder / file).write_text(text.replace(right, wrong, 1))
        if run(["terraform", "validate", "-no-color"], folder, quiet=True, fails=True) == 0:
            missed.append(f"{what} is not noticed")
        (folder / file).write_text(text)
    return missed


def run(command, folder, quiet=False, fails=False):
    """Runs a command; what it says is shown if it fails, and always if it is not `quiet`."""
    env = {**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull, **VARIABLES}
    # an answer of 2 is a plan with changes
    done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if (done.returncode != 0 and not fails) or not quiet:
        print(done.stdout, end="", flush=True)
    return done.returncode


def schema(cache):
    """The schema, derived once for each version of the bindings and of what reads them."""
    key = hashlib.sha256((HERE / "schema.py").read_bytes() + repr(BINDINGS).encode()).hexdigest()[:16]
    file = cache / f"schema-{key}.json"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="porpoise-bindings-") as scratch:
            print(f"terraform: derives the schema from {' '.join(BINDINGS)}, once", flush=True)
            package = bindings(Path(scratch))
            new = file.with_suffix(f".{os.getpid()}")
            subprocess.run([sys.executable, str(HERE / "schema.py"), str(package), str(new)], check=True)
            new.rename(file)
    return file


def bindings(folder):
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", str(folder), "@".join(BINDINGS)], check=True, stdout=subprocess.DEVNULL)
    (package,) = folder.glob("*.tgz")
    found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if found != BINDINGS_SHA512:
        sys.exit(f"the bindings are not those that were looked at: their SHA-512 is {found}")
    shutil.unpack_archive(package, folder, filter="data")
    return folder / "package" / "lib"


def provider(schema_file, scratch, modules):
    """The provider where Terraform looks for it."""
    known = scratch / "known.json"
    known.write_text(json.dumps({
        "aws_caller_identity": {"account_id": ACCOUNT},
        "aws_partition": {"partition": "aws"},
        "aws_cloudformation_stack": {"outputs": outputs(modules)},
    }))
    folder = scratch / "plugins" / MIRROR
    folder.mkdir(parents=True)
    program = folder / f"terraform-provider-aws_v{PROVIDER}"
    words = [sys.executable, str(HERE / "provider.py"), str(schema_file), str(known)]
    program.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + "\n")
    program.chmod(0o755)
    return scratch / "plugins"


def outputs(modules):
    """Those that the templates have: a module that reads another one fails."""
    templates = (modules / "control-plane" / "templates").glob("*.json")
    names = {name for template in templates for name in json.loads(template.read_text())["Outputs"]}
    return {name: f"made-up-{name}" for name in sorted(names)}


if __name__ == "__main__":
    main()
