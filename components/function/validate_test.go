package function_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaletozero/components/function"
	"scaletozero/components/iampolicy"
)

// scheduled keeps environments started as one schedule says.
func scheduled(change func(*function.Schedule)) *function.Args {
	schedule := officeHours()[0]
	change(&schedule)
	return kept(function.Provisioned{Max: 3, Schedules: []function.Schedule{schedule}})
}

func kept(provisioned function.Provisioned) *function.Args {
	a := ofImage()
	a.Provisioned = &provisioned
	return a
}

func TestFunctionRefusesBadArgs(t *testing.T) {
	change := func(f func(*function.Args)) *function.Args { return with(ofImage(), f) }
	for name, test := range map[string]struct {
		args *function.Args
		want []string
	}{
		"nil": {nil, []string{"args are required"}},
		"empty": {&function.Args{}, []string{
			"FunctionName", "Scope.Partition", "Scope.Region", "Scope.AccountID", "Image or Package", "LogRetentionDays",
		}},
		"name too long":  {change(func(a *function.Args) { a.FunctionName = strings.Repeat("f", function.MaxNameLength+1) }), []string{"FunctionName"}},
		"name":           {change(func(a *function.Args) { a.FunctionName = "songs.dev" }), []string{`FunctionName is "songs.dev"; give 1 to 64 letters`}},
		"description":    {change(func(a *function.Args) { a.Description = strings.Repeat("曲", 257) }), []string{"Description has 257 characters; Lambda takes 256"}},
		"both":           {change(func(a *function.Args) { a.Package = ofPackage().Package }), []string{"Image or Package"}},
		"no URI":         {change(func(a *function.Args) { a.Image.URI = nil }), []string{"Image.URI is missing"}},
		"no entry point": {change(func(a *function.Args) { a.Image.EntryPoint = nil }), []string{"Image.EntryPoint is empty"}},
		"architecture":   {change(func(a *function.Args) { a.Architecture = "amd64" }), []string{"[arm64 x86_64]"}},
		"little memory":  {change(func(a *function.Args) { a.MemoryMB = 127 }), []string{"MemoryMB is 127; it must be from 128 to 10240"}},
		"much memory":    {change(func(a *function.Args) { a.MemoryMB = 10_241 }), []string{"MemoryMB is 10241"}},
		"time-out":       {change(func(a *function.Args) { a.TimeoutSeconds = 901 }), []string{"TimeoutSeconds is 901; it must be from 1 to 900"}},
		"no time-out":    {change(func(a *function.Args) { a.TimeoutSeconds = -1 }), []string{"TimeoutSeconds is -1"}},
		"reserved":       {change(func(a *function.Args) { a.ReservedConcurrency = -1 }), []string{"ReservedConcurrency is -1"}},
		"retention":      {change(func(a *function.Args) { a.LogRetentionDays = 2 }), []string{"LogRetentionDays is 2"}},
		"key's alias":    {change(func(a *function.Args) { a.KMSKeyArn = "alias/songs" }), []string{"KMSKeyArn"}},
		"no groups":      {change(func(a *function.Args) { a.VPC = &function.VPC{SubnetIDs: []string{"subnet-1"}} }), []string{"VPC has 1 subnets and 0 security groups"}},
		"many groups": {change(func(a *function.Args) {
			a.VPC = &function.VPC{SubnetIDs: []string{"subnet-1"}, SecurityGroupIDs: make([]string, 6)}
		}), []string{"1 to 16 and 1 to 5"}},
		"statement without a Sid": {change(func(a *function.Args) { a.Statements = make([]iampolicy.Statement, 1) }), []string{`Statements[0].Sid is ""`}},
		"our Sid":                 {change(func(a *function.Args) { a.Statements = []iampolicy.Statement{{Sid: "Logs"}} }), []string{`Statements[0].Sid is "Logs"`}},
		"one Sid twice":           {change(func(a *function.Args) { a.Statements = []iampolicy.Statement{{Sid: "A"}, {Sid: "A"}} }), []string{`Statements[1].Sid is "A"`}},

		"nothing at most":   {kept(function.Provisioned{}), []string{"Provisioned has Min 0 and Max 0"}},
		"less than none":    {kept(function.Provisioned{Min: -1, Max: 1}), []string{"Provisioned has Min -1"}},
		"more than at most": {kept(function.Provisioned{Min: 2, Max: 1}), []string{"Provisioned has Min 2 and Max 1"}},
		"never any":         {kept(function.Provisioned{Max: 2}), []string{"nothing would ever be kept started"}},
		"above reserved": {
			with(kept(function.Provisioned{Min: 1, Max: 3}), func(a *function.Args) { a.ReservedConcurrency = 2 }),
			[]string{"Provisioned.Max is 3; Lambda keeps no more started than ReservedConcurrency (2)"},
		},
		"one schedule twice":  {kept(function.Provisioned{Max: 3, Schedules: []function.Schedule{officeHours()[0], officeHours()[0]}}), []string{"Schedules[1].Name"}},
		"schedule's name":     {scheduled(func(s *function.Schedule) { s.Name = "at nine" }), []string{`Schedules[0].Name is "at nine"`}},
		"five fields":         {scheduled(func(s *function.Schedule) { s.Expression = "cron(50 8 * * MON-FRI)" }), []string{"Schedules[0] (morning): Expression", "six fields"}},
		"rate":                {scheduled(func(s *function.Schedule) { s.Expression = "rate(1 hour)" }), []string{"Expression"}},
		"both days":           {scheduled(func(s *function.Schedule) { s.Expression = "cron(50 8 * * MON-FRI *)" }), []string{"the third or the fifth is ?"}},
		"no day":              {scheduled(func(s *function.Schedule) { s.Expression = "cron(50 8 ? * ? *)" }), []string{"the third or the fifth is ?"}},
		"zone":                {scheduled(func(s *function.Schedule) { s.Timezone = "Asia/Edo" }), []string{`Timezone is "Asia/Edo"`}},
		"this machine's zone": {scheduled(func(s *function.Schedule) { s.Timezone = "Local" }), []string{`Timezone is "Local"`}},
		"schedule above all":  {scheduled(func(s *function.Schedule) { s.Max = 4 }), []string{"Max up to Provisioned.Max (3)"}},
		"schedule's bounds":   {scheduled(func(s *function.Schedule) { s.Min, s.Max = 3, 2 }), []string{"Min is 3 and Max 2"}},
		"stays at night":      {scheduled(func(s *function.Schedule) { s.Min = 0 }), []string{"Min is 0 and Max 3; what is kept then stays while nobody calls"}},
		"all at once": {
			scheduled(func(s *function.Schedule) { *s = function.Schedule{Min: 9, Timezone: "?"} }),
			[]string{"Name", "Expression", "Timezone", "Min is 9"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			graph, err := create(test.args, false, nothing)
			require.Error(t, err)
			assert.ErrorContains(t, err, `function "model"`)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Empty(t, graph.OfType(function.Type), "nothing may be registered")
		})
	}
}

func TestFunctionTakesTheLimits(t *testing.T) {
	for name, change := range map[string]func(*function.Args){
		"largest": func(a *function.Args) {
			a.FunctionName, a.Description = strings.Repeat("f", function.MaxNameLength), strings.Repeat("曲", function.MaxDescriptionLength)
			a.MemoryMB, a.TimeoutSeconds = function.MaxMemoryMB, function.MaxTimeoutSeconds
			a.VPC = &function.VPC{SubnetIDs: make([]string, function.MaxSubnets), SecurityGroupIDs: make([]string, function.MaxSecurityGroups)}
		},
		"smallest": func(a *function.Args) { a.FunctionName, a.MemoryMB, a.TimeoutSeconds = "f", function.MinMemoryMB, 1 },
		"all of the reserve": func(a *function.Args) {
			a.ReservedConcurrency, a.Provisioned = 2, &function.Provisioned{Min: 2, Max: 2}
		},
		"day of the month": func(a *function.Args) {
			a.Provisioned = &function.Provisioned{Max: 1, Schedules: []function.Schedule{{Name: "pay-day", Expression: "cron(0 9 25 * ? *)", Min: 1, Max: 1}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, with(ofImage(), change)).Only(t, functionToken)
		})
	}
}
