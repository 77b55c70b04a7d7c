"""Imports OpenAPI documents into emulators of API Gateway and prints what they
have made of them.

    apigateway.py localstack|moto <JOBS >RESULTS

JOBS is an object of {"document": an OpenAPI document, "calls": [HTTP calls]} by
name; RESULTS has the same names. A call is {"method", "path", "headers",
"body", "key": whether to send the API's key}; only LocalStack answers calls. It
runs in this process and listens on a free port of the loopback address.
"""

import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.request

os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_EC2_METADATA_DISABLED="true",
    # LocalStack reports its use and fetches a certificate otherwise.
    DISABLE_EVENTS="1",
    SKIP_SSL_CERT_DOWNLOAD="1",
)

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "ap-northeast-1"
STAGE = "judged"
RESPONSES = "x-amazon-apigateway-gateway-responses"


def localstack():
    """Starts LocalStack's gateway and gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Where LocalStack looks for the services behind an integration.
    os.environ["GATEWAY_LISTEN"] = f"127.0.0.1:{port}"

    from localstack.aws.app import LocalstackAwsGateway
    from rolo.gateway.wsgi import WsgiGateway
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_args, **_kwargs):
            pass

    server = make_server(
        "127.0.0.1",
        port,
        WsgiGateway(LocalstackAwsGateway()),
        threaded=True,
        request_handler=Quiet,
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{port}"


def client(url=None):
    return boto3.client(
        "apigateway",
        region_name=REGION,
        endpoint_url=url,
        config=Config(retries={"max_attempts": 0}),
    )


def imported(api, document):
    """Creates an API from the document, in the mode that the program uses, and
    gives its id and what the import warns of."""
    made = api.create_rest_api(name=document["info"]["title"])["id"]
    answer = api.put_rest_api(
        restApiId=made,
        mode="overwrite",
        failOnWarnings=True,
        body=json.dumps(document).encode(),
    )
    return made, answer.get("warnings", [])


def methods(api, rest_api):
    """What each method of the API is, by "METHOD /path"."""
    found = {}
    items = api.get_resources(restApiId=rest_api, embed=["methods"], limit=500)["items"]
    for resource in items:
        for name in resource.get("resourceMethods", {}):
            method = api.get_method(
                restApiId=rest_api, resourceId=resource["id"], httpMethod=name
            )
            method.pop("ResponseMetadata")
            found[f"{name} {resource['path']}"] = method
    return found


def add_gateway_responses(api, rest_api, document):
    """Neither emulator imports them, so they are put one by one."""
    for kind, response in document.get(RESPONSES, {}).items():
        api.put_gateway_response(restApiId=rest_api, responseType=kind, **response)


def deployed(api, rest_api):
    """Deploys the API with a usage plan, and gives the key's value."""
    api.create_deployment(restApiId=rest_api, stageName=STAGE)
    plan = api.create_usage_plan(
        name=rest_api, apiStages=[{"apiId": rest_api, "stage": STAGE}]
    )["id"]
    key = api.create_api_key(name=rest_api, enabled=True)
    api.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return key["value"]


def answered(url, call, key):
    headers = dict(call.get("headers") or {})
    if call.get("key"):
        headers["x-api-key"] = key
    body = call.get("body")
    request = urllib.request.Request(
        url + call["path"],
        method=call["method"],
        headers=headers,
        data=body.encode() if body is not None else None,
    )
    try:
        answer = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as refused:
        answer = refused
    return {
        "status": answer.status,
        "headers": {name.lower(): value for name, value in answer.headers.items()},
        "body": answer.read().decode(),
    }


def in_localstack(job, url):
    api, document = client(url), job["document"]
    made, warnings = imported(api, document)
    add_gateway_responses(api, made, document)
    everything = {"restApiId": made, "limit": 500}
    result = {
        "warnings": warnings,
        "api": api.get_rest_api(restApiId=made),
        "methods": methods(api, made),
        "models": api.get_models(**everything)["items"],
        "validators": api.get_request_validators(**everything)["items"],
        "gatewayResponses": api.get_gateway_responses(**everything)["items"],
    }
    if calls := job.get("calls"):
        key = deployed(api, made)
        base = f"{url}/_aws/execute-api/{made}/{STAGE}"
        result["answers"] = [answered(base, call, key) for call in calls]
    return result


def in_moto(job, _url):
    api = client()
    made, _ = imported(api, job["document"])
    return {"methods": methods(api, made)}


def results(jobs, judge, url=None):
    found = {}
    for name, job in jobs.items():
        try:
            found[name] = judge(job, url)
        except ClientError as refusal:
            found[name] = {"error": str(refusal)}
    return found


def main():
    jobs = json.load(sys.stdin)
    if sys.argv[1] == "localstack":
        found = results(jobs, in_localstack, localstack())
    else:
        from moto import mock_aws

        with mock_aws():
            found = results(jobs, in_moto)
    json.dump(found, sys.stdout, default=str)
    sys.stdout.flush()
    # LocalStack leaves threads that would keep the process.
    os._exit(0)


main()
