"""Writes the models of this folder from the service models that botocore ships (Apache-2.0), without their texts.

Usage: extract.py DATA, where DATA is the folder `botocore/data` of version 1.44.5.
"""

import gzip
import json
import pathlib
import sys

SERVICES = {
    "emr-serverless": ("2021-07-13", [
        "CreateApplication", "GetApplication", "ListApplications", "StartApplication", "StopApplication",
        "DeleteApplication", "StartJobRun", "GetJobRun", "ListJobRuns", "ListJobRunAttempts", "CancelJobRun",
        "GetDashboardForJobRun", "ListTagsForResource",
    ]),
    "athena": ("2017-05-18", [
        "StartQueryExecution", "GetQueryExecution", "BatchGetQueryExecution", "GetQueryResults",
        "StopQueryExecution", "ListQueryExecutions", "CreateWorkGroup", "GetWorkGroup",
    ]),
}
# what says something about the form of a request or an answer
KEPT = ["type", "required", "members", "member", "key", "value", "shape", "location", "locationName", "min", "max",
        "pattern", "enum", "union", "error", "exception", "timestampFormat"]


def stripped(shape):
    kept = {name: shape[name] for name in KEPT if name in shape}
    for name in ("member", "key", "value"):
        if name in kept:
            kept[name] = stripped(kept[name])
    if "members" in kept:
        kept["members"] = {name: stripped(member) for name, member in kept["members"].items()}
    return kept


def reached(model, names):
    seen, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        shape = model["shapes"][name]
        todo += [shape[part]["shape"] for part in ("member", "key", "value") if part in shape]
        todo += [member["shape"] for member in shape.get("members", {}).values()]
    return sorted(seen)


def lines(things):
    row = lambda thing: json.dumps(thing, separators=(",", ":"), ensure_ascii=True)
    return ",\n".join(f"    {json.dumps(name)}: {row(thing)}" for name, thing in things)


def main(data):
    for service, (version, wanted) in SERVICES.items():
        with gzip.open(data / service / version / "service-2.json.gz") as file:
            model = json.load(file)
        operations, roots = [], []
        for name in wanted:
            operation = model["operations"][name]
            errors = [error["shape"] for error in operation["errors"]]
            kept = {"method": operation["http"]["method"], "uri": operation["http"]["requestUri"],
                    "input": operation["input"]["shape"], "output": operation["output"]["shape"], "errors": errors}
            operations.append((name, kept))
            roots += [kept["input"], kept["output"], *errors]
        shapes = [(name, stripped(model["shapes"][name])) for name in reached(model, roots)]
        origin = f"AWS service model {service}/{version} as botocore 1.44.5 ships it (Apache-2.0), extracted by extract.py"
        text = f'{{\n  "origin": {json.dumps(origin)},\n  "operations": {{\n{lines(operations)}\n  }},\n' \
               f'  "shapes": {{\n{lines(shapes)}\n  }}\n}}\n'
        json.loads(text)
        (pathlib.Path(__file__).parent / f"{service}.json").write_text(text)


main(pathlib.Path(sys.argv[1]))
