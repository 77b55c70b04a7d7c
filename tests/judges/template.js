// Checks a CloudFormation template against AWS's own resource specification, as
// @aws-cdk/aws-service-spec has it.
//
// Takes {template, parameters} by name and gives, by the same, {problems: [text],
// replacement: {type: {property: "yes" | "no" | "maybe"}}}: what a change of each
// property that the template sets does to the resource. Nested properties are
// there by their path, unless the one around them replaces the resource anyway.
const { loadAwsServiceSpecSync } = require('@aws-cdk/aws-service-spec')
const fs = require('node:fs')

const spec = loadAwsServiceSpecSync()

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

class Judge {
  problems = []
  replacement = {}

  constructor({ template, parameters }) {
    this.template = template
    this.parameters = parameters
  }

  complain(where, problem) {
    this.problems.push(`${where} ${problem}`)
  }

  run() {
    for (const [id, resource] of Object.entries(this.template.Resources)) {
      const [type] = spec.lookup('resource', 'cloudFormationType', 'equals', resource.Type)
      if (type === undefined) {
        this.complain(id, `is a ${resource.Type}, which is not known`)
        continue
      }
      const paths = (this.replacement[resource.Type] ??= {})
      this.properties(id, resource.Properties ?? {}, type.properties, '', paths)
    }
    for (const [id, output] of Object.entries(this.template.Outputs ?? {})) this.resolved(id, output.Value)
    return { problems: this.problems, replacement: this.replacement }
  }

  // properties checks an object against the properties of a type.
  properties(where, values, known, path, paths) {
    for (const [name, property] of Object.entries(known)) {
      if (property.required && !(name in values)) this.complain(where, `has no ${name}, which is required`)
    }
    for (const [name, value] of Object.entries(values)) {
      const property = known[name]
      if (property === undefined) {
        this.complain(where, `has ${name}, which is not known`)
        continue
      }
      const replacement = (paths[path + name] = property.causesReplacement ?? 'no')
      this.value(`${where}.${name}`, value, property.type, `${path}${name}.`, replacement === 'yes' ? {} : paths)
    }
  }

  value(where, given, type, path, paths) {
    const value = this.resolved(where, given)
    if (value === undefined) return
    const wrong = () => this.complain(where, `is ${JSON.stringify(value)}; it must be of type ${type.type}`)
    const text = typeof value === 'object' ? undefined : String(value)
    switch (type.type) {
      case 'ref': {
        if (!isObject(value)) return wrong()
        return this.properties(where, value, spec.get('typeDefinition', type.reference.$ref).properties, path, paths)
      }
      case 'array':
        if (!Array.isArray(value)) return wrong()
        return value.forEach((element, i) => this.value(`${where}[${i}]`, element, type.element, path, paths))
      case 'integer':
        return /^-?\d+$/.test(text) ? undefined : wrong()
      case 'number':
        return text !== undefined && text !== '' && Number.isFinite(Number(text)) ? undefined : wrong()
      case 'boolean':
        return /^(true|false)$/.test(text) ? undefined : wrong()
      case 'string':
        if (typeof value !== 'string') return wrong()
        if (type.allowedValues && !type.allowedValues.includes(value)) {
          this.complain(where, `is ${value}; it must be one of ${type.allowedValues}`)
        }
        return undefined
      default:
        return this.complain(where, `is of type ${type.type}, which this check does not know`)
    }
  }

  // resolved is a value with what it refers to: a parameter's value, or the
  // type of what a resource gives as a text of that type.
  resolved(where, value) {
    if (!isObject(value)) return value
    if ('Ref' in value) return this.referred(where, value.Ref)
    if ('Fn::GetAtt' in value) return this.attribute(where, ...value['Fn::GetAtt'])
    return value
  }

  referred(where, name) {
    const parameter = this.template.Parameters?.[name]
    if (parameter === undefined) {
      if (name in this.template.Resources) return name
      return this.complain(where, `refers to ${name}, which is neither a parameter nor a resource`)
    }
    const given = this.parameters[name] ?? parameter.Default
    if (given === undefined) return this.complain(where, `refers to ${name}, which is given no value`)
    if (parameter.Type === 'Number' && !Number.isFinite(Number(given))) {
      return this.complain(where, `refers to ${name}, which is the number ${given}`)
    }
    return parameter.Type === 'CommaDelimitedList' ? given.split(',') : given
  }

  attribute(where, id, name) {
    const [type] = spec.lookup('resource', 'cloudFormationType', 'equals', this.template.Resources[id]?.Type ?? '')
    const attribute = type?.attributes[name]
    if (attribute === undefined) return this.complain(where, `takes ${name} of ${id}, which gives no such thing`)
    return `the ${attribute.type.type} ${id}.${name}`
  }
}

const jobs = JSON.parse(fs.readFileSync(0, 'utf8'))
const verdicts = Object.entries(jobs).map(([name, job]) => [name, new Judge(job).run()])
process.stdout.write(JSON.stringify(Object.fromEntries(verdicts)))
