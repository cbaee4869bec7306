"""Derives the schema of the AWS provider from its published TypeScript bindings.

The bindings are generated from the provider's own schema, so everything that Terraform asks of a schema can be read back
from them: `index.js` of a resource lists its arguments with their kinds and whether they are blocks, `index.d.ts` says
which of them are required, and getters without a setter are what only the provider knows.
"""

import json
import re
import sys
from pathlib import Path

SCALARS = {"string": "string", "number": "number", "boolean": "bool"}
ELEMENTS = {"stringList": "string", "numberList": "number", "booleanList": "bool",
            "stringMap": "string", "numberMap": "number", "booleanMap": "bool", "anyMap": "string"}
GETTERS = {"String": "string", "Number": "number", "Boolean": "bool", "List": ["list", "string"],
           "NumberList": ["list", "number"], "StringMap": ["map", "string"], "NumberMap": ["map", "number"],
           "BooleanMap": ["map", "bool"], "AnyMap": ["map", "string"]}

ARGUMENT = re.compile(r"^ +(\w+): \{\n +value: .*\n +isBlock: (\w+),\n +type: \"(\w+)\",\n +storageClassType: \"(\w+)\",", re.M)
OPTION = re.compile(r"#(\w+) \w+#\w+\}(?:(?!\*/).)*\*/\s+readonly \w+(\??): ([^;]+);", re.S)
INTERFACE = re.compile(r"^export interface (\w+)[^{]*\{\n(.*?)^\}", re.M | re.S)
WRITER = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", re.M | re.S)
READER = re.compile(r"^class (\w+)OutputReference extends cdktf\.ComplexObject \{\n(.*?)^\}", re.M | re.S)
ITSELF = re.compile(r"^class (\w+) extends cdktf\.Terraform(Resource|DataSource|Provider) \{\n(.*?)^\}", re.M | re.S)


class Binding:
    """One resource, data source or provider."""

    def __init__(self, folder):
        self.js = (folder / "index.js").read_text()
        types = (folder / "index.d.ts").read_text()
        self.options = {name: {option[1]: (option[2] == "?", "[]" in option[3]) for option in OPTION.finditer(body)}
                        for name, body in INTERFACE.findall(types)}
        self.writers = {name.lower(): arguments(body) for name, body in WRITER.findall(self.js)}
        self.readers = dict(READER.findall(self.js))

    def schema(self):
        """Its kind, its name in Terraform, and its block; nothing for a file that declares none."""
        found = ITSELF.search(self.js)
        if found is None:
            return None
        name, kind, body = found.groups()
        written = body.split("synthesizeHclAttributes() {", 1)[1]
        called = re.search(r'tfResourceType = "(\w+)"', self.js)
        block = self.block(arguments(written), self.options.get(f"{name}Config", {}), body)
        return kind, called[1] if called else "aws", block

    def block(self, given, options, body):
        attributes, blocks = {}, {}
        for name, (is_block, kind, stored) in given.items():
            optional, many = options.get(name, (True, False))
            struct = re.sub(r"(List|Map)$", "", stored) if kind != "struct" else stored
            if is_block and struct.lower() in self.writers:
                inner = self.block(self.writers[struct.lower()], self.options.get(struct, {}), self.readers.get(struct, ""))
                nesting = "single" if kind == "struct" else kind
                blocks[name] = {"nesting": nesting, "block": inner, "min": int(not optional and nesting in ("list", "set")),
                                "max": 0 if many or nesting in ("single", "map") else 1}
            else:
                attributes[name] = {"type": argument_type(kind, stored), "mode": "optional" if optional else "required"}
        for name, of in self.computed(body, given).items():
            attributes[name] = {"type": of, "mode": "computed"}
        return {"attributes": attributes, "blocks": blocks}

    def computed(self, body, given):
        """What has a getter and is no argument."""
        found = {name: GETTERS.get(kind, "string") for kind, name in re.findall(r"this\.get(\w+?)Attribute\(['\"](\w+)['\"]\)", body)}
        found |= {name: ["set", "string"] for name in re.findall(r"tolist\(this\.getListAttribute\(['\"](\w+)['\"]\)\)", body)}
        found |= {name: GETTERS.get(kind, ["map", "string"]) for kind, name in re.findall(r"new cdktf\.(\w+Map)\(this, \"(\w+)\"", body)}
        for struct, name, is_set in re.findall(r"new (\w+?)List\(this, \"(\w+)\", (true|false)\)", body):
            if struct in self.readers:
                found[name] = ["set" if is_set == "true" else "list", ["object", self.computed(self.readers[struct], {})]]
        return {name: of for name, of in found.items() if name not in given}


def arguments(body):
    return {name: (is_block == "true", kind, stored) for name, is_block, kind, stored in ARGUMENT.findall(body)}


def argument_type(kind, stored):
    if kind == "simple":
        return SCALARS.get(stored, "string")
    element = ELEMENTS.get(stored, "string")
    if stored.endswith("MapList"):
        element = ["map", "string"]
    elif stored.endswith("ListList"):
        element = ["list", "string"]
    return [kind if kind in ("list", "set", "map") else "list", element]


def derive(bindings):
    schema = {"Provider": {}, "Resource": {}, "DataSource": {}}
    for folder in sorted(bindings.iterdir()):
        if (folder / "index.js").is_file() and (folder / "index.d.ts").is_file():
            found = Binding(folder).schema()
            if found is not None:
                kind, name, block = found
                schema[kind][name] = block
    return schema


def main():
    bindings, out = map(Path, sys.argv[1:])
    schema = derive(bindings)
    counts = {kind: len(found) for kind, found in schema.items()}
    # fewer would mean that the bindings are written otherwise than this reads them
    if counts["Provider"] != 1 or counts["Resource"] < 1500 or counts["DataSource"] < 600:
        sys.exit(f"the bindings cannot be read as they were: {counts}")
    out.write_text(json.dumps(schema, separators=(",", ":")))


if __name__ == "__main__":
    main()
