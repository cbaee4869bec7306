"""A provider for Terraform that has the schema of AWS's and reaches nothing.

It plans what is written and "applies" by making up what only AWS would know, so `validate`, `plan`, `apply`, a second plan
without changes and `test` all run. It cannot tell values that AWS would refuse, nor what a change would replace.
"""

import json
import os
import sys
from pathlib import Path

import msgpack
from hc_go_plugin_server.rpc_plugin import SyncRPCPluginServer
from tfplugin_proto import tfplugin6_4_pb2 as messages
from tfplugin_proto import tfplugin6_4_pb2_grpc as service

NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}
UNKNOWN = msgpack.ExtType(0, b"\x00")
# what the provider of AWS fills in itself where nothing is given
FILLED = ("id", "tags_all")
CAPABILITIES = messages.ServerCapabilities(get_provider_schema_optional=True)


def block_message(block):
    return messages.Schema.Block(
        attributes=[messages.Schema.Attribute(
            name=name, type=json.dumps(attribute["type"]).encode(), required=attribute["mode"] == "required",
            optional=attribute["mode"] == "optional", computed=attribute["mode"] != "required")
            for name, attribute in sorted(block["attributes"].items())],
        block_types=[messages.Schema.NestedBlock(
            type_name=name, block=block_message(nested["block"]), nesting=NESTING[nested["nesting"]],
            min_items=nested["min"], max_items=nested["max"])
            for name, nested in sorted(block["blocks"].items())])


def decoded(value):
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, strict_map_key=False)
    return json.loads(value.json) if value.json else None


def encoded(value):
    return messages.DynamicValue(msgpack=msgpack.packb(value))


def walk(value, block, visit):
    """Shows `visit` each attribute of a value and of the blocks in it, to be replaced."""
    for name, attribute in block["attributes"].items():
        value[name] = visit(name, attribute, value.get(name))
    for name, nested in block["blocks"].items():
        inner = value.get(name)
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, dict):
                walk(one, nested["block"], visit)
    return value


class Provider(service.ProviderServicer):
    """Answers of the protocol that need no cloud."""

    def __init__(self, schema, known):
        self.schema = schema
        # values that tests count on: by type of resource or data source, and attribute
        self.known = known

    def GetMetadata(self, _request, _context):
        resources, sources = messages.GetMetadata.ResourceMetadata, messages.GetMetadata.DataSourceMetadata
        return messages.GetMetadata.Response(
            server_capabilities=CAPABILITIES, resources=[resources(type_name=name) for name in self.schema["Resource"]],
            data_sources=[sources(type_name=name) for name in self.schema["DataSource"]])

    def GetProviderSchema(self, _request, _context):
        def schemas(kind):
            return {name: messages.Schema(block=block_message(block)) for name, block in self.schema[kind].items()}

        return messages.GetProviderSchema.Response(
            provider=schemas("Provider")["aws"], resource_schemas=schemas("Resource"),
            data_source_schemas=schemas("DataSource"), server_capabilities=CAPABILITIES)

    def ValidateProviderConfig(self, _request, _context):
        return messages.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, _request, _context):
        return messages.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, _request, _context):
        return messages.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, _request, _context):
        return messages.ConfigureProvider.Response()

    def UpgradeResourceState(self, request, _context):
        state = encoded(json.loads(request.raw_state.json))
        return messages.UpgradeResourceState.Response(upgraded_state=state)

    def ReadResource(self, request, _context):
        return messages.ReadResource.Response(new_state=request.current_state)

    def PlanResourceChange(self, request, _context):
        proposed = decoded(request.proposed_new_state)
        if proposed is None:
            return messages.PlanResourceChange.Response(planned_state=request.proposed_new_state)

        def unknown(name, attribute, value):
            filled = attribute["mode"] == "computed" or name in FILLED
            return UNKNOWN if value is None and filled else value

        planned = walk(proposed, self.schema["Resource"][request.type_name], unknown)
        return messages.PlanResourceChange.Response(planned_state=encoded(planned))

    def ApplyResourceChange(self, request, _context):
        planned = decoded(request.planned_state)
        if planned is not None:
            of = request.type_name

            def known(name, attribute, value):
                return self.make_up(of, name, attribute["type"]) if isinstance(value, msgpack.ExtType) else value

            planned = walk(planned, self.schema["Resource"][of], known)
        return messages.ApplyResourceChange.Response(new_state=encoded(planned))

    def ReadDataSource(self, request, _context):
        of = request.type_name

        def found(name, attribute, value):
            is_answer = attribute["mode"] == "computed" and value is None
            return self.make_up(of, name, attribute["type"]) if is_answer else value

        state = walk(decoded(request.config), self.schema["DataSource"][of], found)
        return messages.ReadDataSource.Response(state=encoded(state))

    def StopProvider(self, _request, _context):
        os._exit(0)  # the server has threads that nothing else ends

    def make_up(self, of, name, kind):
        if name in self.known.get(of, {}):
            return self.known[of][name]
        made = {"string": f"made-up-{of}-{name}", "number": 0, "bool": False}
        if name == "arn":
            return f"arn:aws:made-up:::{of}"
        if isinstance(kind, str):
            return made.get(kind)
        return {} if kind[0] == "map" else []


def main():
    schema, known = (json.loads(Path(path).read_text()) for path in sys.argv[1:3])
    plugin = SyncRPCPluginServer()
    # Terraform reads base64 without padding; one certificate in a hundred is so short that the library pads it.
    plugin.cert_base64 = plugin.cert_base64.rstrip("=")
    service.add_ProviderServicer_to_server(Provider(schema, known), plugin.server)
    plugin.run()


if __name__ == "__main__":
    main()
