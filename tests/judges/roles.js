// Says of IAM requests whether AWS would allow them, by the evaluation of
// @cloud-copilot/iam-simulate.
//
// Takes a list of {policies, resourcePolicy?, principal, action, resource,
// account, context} and gives a list of "Allowed", "ImplicitlyDenied",
// "ExplicitlyDenied", or, where a request could not be one, "error: …".
const { runSimulation } = require('@cloud-copilot/iam-simulate')
const fs = require('node:fs')

async function judged(request) {
  const result = await runSimulation({
    request: {
      principal: request.principal,
      action: request.action,
      resource: { resource: request.resource, accountId: request.account },
      contextVariables: request.context ?? {},
    },
    identityPolicies: request.policies.map((policy, i) => ({ name: `policy${i}`, policy })),
    resourcePolicy: request.resourcePolicy,
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  }, {})
  if (result.resultType === 'error') return 'error: ' + JSON.stringify(result.errors)
  const ignored = result.result?.ignoredContextKeys ?? []
  return ignored.length > 0 ? `error: the action knows no ${ignored}` : result.overallResult
}

async function main() {
  const results = []
  for (const request of JSON.parse(fs.readFileSync(0, 'utf8'))) results.push(await judged(request))
  process.stdout.write(JSON.stringify(results))
}

main()
