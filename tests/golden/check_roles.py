#!/usr/bin/env python3
"""Planted changes of Kafka's schema, and of roles.txt, that generate.py must refuse.

usage: check_roles.py
"""
import json
import pathlib
import subprocess
import sys
import tempfile

GENERATE = pathlib.Path(__file__).resolve().parent.parent.parent / "proxy" / "wire" / "generate.py"

REQUEST = {"apiKey": 7, "type": "request", "name": "PlantRequest", "validVersions": "0-2",
           "flexibleVersions": "1+", "fields": [
               {"name": "Topics", "type": "[]Topic", "versions": "0+", "fields": [
                   {"name": "Name", "type": "string", "versions": "0+", "entityType": "topicName"},
                   {"name": "Count", "type": "int32", "versions": "0+"}]}]}
RESPONSE = {"apiKey": 7, "type": "response", "name": "PlantResponse", "validVersions": "0-2",
            "flexibleVersions": "1+", "fields": [
                {"name": "ErrorCode", "type": "int16", "versions": "0+"},
                {"name": "Results", "type": "[]Result", "versions": "0+", "fields": [
                    {"name": "Host", "type": "string", "versions": "0+"}]}]}
ROLES = """*.ErrorCode error
api Plant route=leader split=Topics merge=Results
PlantRequest.Topics.Name topic_name
PlantResponse.Results.Host own  # the application's
"""


def field(name, kind, **more):
    return {"name": name, "type": kind, "versions": "2+", **more}


# name, fields added to the request's topics, text of roles.txt, what the answer must say ("": good)
CASES = [
    ("as it is", [], ROLES, ""),
    ("data without a role", [field("Colour", "string"), field("SizeInBytes", "int64")], ROLES, ""),
    # New fields of the kinds that may not pass untranslated
    ("address", [field("LeaderHost", "string")], ROLES, "PlantRequest.Topics.LeaderHost"),
    ("port", [field("Port", "uint16")], ROLES, "PlantRequest.Topics.Port"),
    ("offset", [field("NewOffset", "int64")], ROLES, "PlantRequest.Topics.NewOffset"),
    ("offsets", [field("Offsets", "[]int64")], ROLES, "PlantRequest.Topics.Offsets"),
    ("leader epoch", [field("LeaderEpoch", "int32")], ROLES, "PlantRequest.Topics.LeaderEpoch"),
    ("node id", [field("Preferred", "int32", entityType="brokerId")], ROLES, "entityType brokerId"),
    ("node ids", [field("IsrNodes", "[]int32")], ROLES, "PlantRequest.Topics.IsrNodes"),
    ("topic id", [field("Id", "uuid")], ROLES, "type uuid"),
    ("cluster id", [field("ClusterId", "string")], ROLES, "PlantRequest.Topics.ClusterId"),
    ("producer id", [field("ProducerId", "int64")], ROLES, "PlantRequest.Topics.ProducerId"),
    ("group", [field("Owner", "string", entityType="groupId")], ROLES, "entityType groupId"),
    ("tagged", [field("Leader", "int32", taggedVersions="2+", tag=0)], ROLES, "Topics.Leader has"),
    ("records", [field("Data", "records")], ROLES, "type records"),
    ("deep", [field("Inner", "Inner", fields=[field("EndOffset", "int64")])], ROLES,
     "PlantRequest.Topics.Inner.EndOffset"),
    ("given a role", [field("NewOffset", "int64")],
     ROLES + "PlantRequest.Topics.NewOffset offset\n", ""),
    ("internal", [field("NewOffset", "int64")],
     "*.ErrorCode error\napi Plant route=internal\n", ""),
    # Mistakes in roles.txt
    ("unknown field", [], ROLES + "PlantRequest.Topics.Nmae topic_name\n", ":5: no such field"),
    ("unknown role", [], ROLES + "PlantRequest.Topics.Count place\n", ":5: unknown role place"),
    ("twice", [], ROLES + "PlantRequest.Topics.Name topic_id\n", ":5: PlantRequest.Topics.Name"),
    ("by name", [], ROLES + "*.Name topic_name\n", ":5: topic_name must be given by path"),
    ("own without a reason", [], ROLES + "PlantRequest.Topics.Count own\n", ":5: "),
    ("no api", [], "*.ErrorCode error\n", 'no line "api Plant'),
    ("unknown api", [], ROLES + "api Plants route=any\n", ":5: unknown or repeated API Plants"),
    ("unknown route", [], ROLES.replace("leader", "boss"), ":2: Plant: route="),
    ("split of no array", [], ROLES.replace("split=Topics", "split=Topics.Name"), ":2: "),
    ("split too deep", [], ROLES.replace("split=Topics", "split=Topics.A.B"), ":2: PlantRequest"),
    ("split alone", [], ROLES.replace(" merge=Results", ""), ":2: Plant: split= and merge="),
    ("above the definitions", [], ROLES.replace("merge", "max=3 merge"), ":2: Plant: min=0 max=3"),
]


def run(fields, roles):
    """What generate.py says; "" when it is content."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        request = json.loads(json.dumps(REQUEST))
        request["fields"][0]["fields"] += fields
        (folder / "PlantRequest.json").write_text("// a comment\n" + json.dumps(request))
        (folder / "PlantResponse.json").write_text(json.dumps(RESPONSE))
        (folder / "roles.txt").write_text(roles)
        done = subprocess.run([sys.executable, GENERATE, folder, folder / "roles.txt",
                               folder / "table.cpp"], capture_output=True, text=True)
        written = (folder / "table.cpp").exists()
        if (done.returncode == 0) != written or done.returncode == 0 and done.stderr:
            return f"exit {done.returncode}, table written: {written}, {done.stderr}"
        return done.stderr


def main():
    failed = 0
    for name, fields, roles, expected in CASES:
        said = run(fields, roles)
        good = expected in said if expected else said == ""
        failed += not good
        if not good:
            print(f"{name}: expected {expected!r}, generate.py said {said!r}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
