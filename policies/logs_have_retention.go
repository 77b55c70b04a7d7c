package main

// logsHaveRetention demands that a log group ends some day. CloudWatch Logs
// keeps without RetentionInDays what it has for ever, and bills it; 0 is how
// pulumi-aws says so (CloudWatch Logs API, PutRetentionPolicy).
func logsHaveRetention() rule {
	return rule{
		name:        "logs-have-retention",
		description: "A log group must say for how many days it keeps its logs.",
		judges: map[string]func(*report, map[string]any){
			"AWS::Logs::LogGroup": func(r *report, properties map[string]any) {
				days := properties["RetentionInDays"]
				if n, ok := number(days); ok && n > 0 {
					return
				}
				r.check(expectation{
					property: "RetentionInDays", value: days, must: "must be above 0", absent: "logs are kept for ever",
					code: "RetentionInDays: pulumi.Int(30)", template: "RetentionInDays: 30",
				})
			},
		},
	}
}
