// The pattern of this program written by hand in AWS CDK, with its own constructs
// where it has them: roles, model, endpoint, inference component, and a REST API
// with one keyed POST and a usage plan. CORS, logs, alarms, scaling and schemas
// are left out. Only the modules that are used are loaded, which is how CDK is
// fastest.
//
//   node app.js OUTPUT_FOLDER
const { App, Stack } = require('aws-cdk-lib/core');
const apigateway = require('aws-cdk-lib/aws-apigateway');
const iam = require('aws-cdk-lib/aws-iam');
const sagemaker = require('aws-cdk-lib/aws-sagemaker');

const app = new App({ outdir: process.argv[2] });
const stack = new Stack(app, 'inference', { env: { account: '123456789012', region: 'ap-northeast-1' } });

const execution = new iam.Role(stack, 'execution', {
  assumedBy: new iam.ServicePrincipal('sagemaker.amazonaws.com'),
  inlinePolicies: {
    image: new iam.PolicyDocument({
      statements: [
        new iam.PolicyStatement({ actions: ['ecr:GetAuthorizationToken'], resources: ['*'] }),
        new iam.PolicyStatement({
          actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
          resources: [stack.formatArn({ service: 'ecr', resource: 'repository', resourceName: 'music-mapping-model' })],
        }),
      ],
    }),
  },
});
const model = new sagemaker.CfnModel(stack, 'model', {
  executionRoleArn: execution.roleArn,
  primaryContainer: { image: `${stack.account}.dkr.ecr.${stack.region}.amazonaws.com/music-mapping-model:v1` },
});
const config = new sagemaker.CfnEndpointConfig(stack, 'config', {
  executionRoleArn: execution.roleArn,
  productionVariants: [{
    variantName: 'AllTraffic',
    instanceType: 'ml.m5.large',
    initialInstanceCount: 1,
    managedInstanceScaling: { status: 'ENABLED', minInstanceCount: 0, maxInstanceCount: 3 },
    routingConfig: { routingStrategy: 'LEAST_OUTSTANDING_REQUESTS' },
  }],
});
const endpoint = new sagemaker.CfnEndpoint(stack, 'endpoint', {
  endpointName: 'music-mapping-endpoint',
  endpointConfigName: config.attrEndpointConfigName,
});
const component = new sagemaker.CfnInferenceComponent(stack, 'component', {
  inferenceComponentName: 'music-mapping-model',
  endpointName: endpoint.attrEndpointName,
  variantName: 'AllTraffic',
  specification: {
    modelName: model.attrModelName,
    computeResourceRequirements: { numberOfCpuCoresRequired: 1, minMemoryRequiredInMb: 1024 },
  },
  runtimeConfig: { copyCount: 1 },
});

const gateway = new iam.Role(stack, 'gateway', {
  assumedBy: new iam.ServicePrincipal('apigateway.amazonaws.com'),
  inlinePolicies: {
    invoke: new iam.PolicyDocument({
      statements: [new iam.PolicyStatement({
        actions: ['sagemaker:InvokeEndpoint'],
        resources: [endpoint.ref, component.attrInferenceComponentArn],
      })],
    }),
  },
});
// The third role is the account's for API Gateway's logs, which cloudWatchRole makes.
const api = new apigateway.RestApi(stack, 'api', {
  cloudWatchRole: true,
  deployOptions: { stageName: 'dev', throttlingRateLimit: 10, throttlingBurstLimit: 20 },
});
api.root.addResource('infer').addMethod('POST', new apigateway.AwsIntegration({
  service: 'runtime.sagemaker',
  path: 'endpoints/music-mapping-endpoint/invocations',
  options: {
    credentialsRole: gateway,
    requestParameters: {
      'integration.request.header.X-Amzn-SageMaker-Inference-Component': "'music-mapping-model'",
    },
    integrationResponses: [{ statusCode: '200' }, { statusCode: '503', selectionPattern: '400' }],
  },
}), {
  apiKeyRequired: true,
  methodResponses: [{ statusCode: '200' }, { statusCode: '503' }],
});
const plan = api.addUsagePlan('plan', {
  throttle: { rateLimit: 10, burstLimit: 20 },
  quota: { limit: 10000, period: apigateway.Period.MONTH },
  apiStages: [{ stage: api.deploymentStage }],
});
plan.addApiKey(api.addApiKey('key'));

app.synth();
