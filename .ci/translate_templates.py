"""Runs SAM's own translation over the templates named on the command line, without AWS and without a network.

What `sam validate` and CloudFormation's Serverless transform refuse, this refuses.
"""

import logging
import os
import sys

import yaml

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
logging.disable(logging.WARNING)  # The translator warns of its own metrics.

from samtranslator.public.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.public.parser import Parser  # noqa: E402
from samtranslator.public.translator import Translator  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

# No template may name an AWS managed policy: rights are written out, so that the local stack can enforce them.
MANAGED_POLICIES: dict[str, str] = {}


def local_paths_to_s3(node: object) -> None:
    """Does what packaging does: code and nested templates become addresses in S3, which the translator insists on."""
    if not isinstance(node, dict):
        return
    for resource in node.get("Resources", {}).values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = "s3://bucket/code.zip"
        elif resource["Type"] == "AWS::Serverless::Application":
            properties["Location"] = "https://s3.amazonaws.com/bucket/template.yaml"


def translate(path: str) -> list[str]:
    """Returns what SAM finds wrong, one line each."""
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    local_paths_to_s3(template)
    parameters = {
        name: parameter.get("Default", "value")
        for name, parameter in template.get("Parameters", {}).items()
    }
    try:
        translated = Translator(MANAGED_POLICIES, Parser()).translate(template, parameters)
    except InvalidDocumentException as refused:
        return [f"{path}: {cause.message}" for cause in refused.causes]
    except yaml.YAMLError as broken:
        return [f"{path}: {broken}"]
    print(f"{path}: {len(translated['Resources'])} resources")
    return []


def main() -> int:
    """Translates every template; the exit code says whether SAM took them all."""
    problems = [problem for path in sys.argv[1:] for problem in translate(path)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
