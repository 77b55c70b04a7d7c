"""Says what an OpenAPI validator finds wrong with documents.

Takes OpenAPI 3.0 documents by name and gives, by the same, a list of problems.
"""

import json
import sys

from openapi_spec_validator import OpenAPIV30SpecValidator


def problems(document):
    return [error.message for error in OpenAPIV30SpecValidator(document).iter_errors()]


documents = json.load(sys.stdin)
json.dump({name: problems(document) for name, document in documents.items()}, sys.stdout)
