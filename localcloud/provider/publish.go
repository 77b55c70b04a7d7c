package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"scaletozero/localcloud/cloudformation"
	"scaletozero/localcloud/gateway"
)

// publishedStage is a stage that the gateway serves.
type publishedStage struct{ api, name string }

// commit stores a change and shows it to what runs it. If either fails the change is taken back.
func (s *Server) commit(old, next *Resource) error {
	if err := s.store.Replace(old, next); err != nil {
		return err
	}
	show := func() error { return nil }
	switch token := cmp.Or(next, old).Type; {
	case strings.HasPrefix(token, "aws:apigateway/"), strings.HasPrefix(token, "aws:wafv2/"), token == TypeLogMetricFilter:
		show = s.publish
	case scales(token):
		show = s.registerScaling
	}
	if err := show(); err != nil {
		return errors.Join(err, s.store.Replace(next, old))
	}
	s.problems.note("stages", nil)
	return nil
}

// publish makes the gateway serve exactly the stages of the store, each with the snapshot of its deployment and the
// keys that usage plans give for it.
func (s *Server) publish() error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	next := map[publishedStage]gateway.Stage{}
	for _, stage := range s.store.Resources(TypeStage) {
		place := publishedStage{stage.Inputs.text("restApi"), stage.Inputs.text("stageName")}
		served, err := s.servedStage(place, stage)
		if err != nil {
			return fmt.Errorf("stage %s cannot be served: %w", stage.ID, err)
		}
		next[place] = served
	}
	for _, log := range s.logs {
		if err := s.filter(log); err != nil {
			return err
		}
	}
	for place, stage := range next {
		s.options.Gateway.Deploy(place.api, place.name, stage)
	}
	for place := range s.published {
		if _, stays := next[place]; !stays {
			s.options.Gateway.Remove(place.api, place.name)
		}
	}
	s.published = next
	return nil
}

func (s *Server) servedStage(place publishedStage, stage *Resource) (gateway.Stage, error) {
	deployment := s.store.Find(TypeDeployment, stage.Inputs.text("deployment"), "")
	if deployment == nil {
		return gateway.Stage{}, fmt.Errorf("its deployment %s is gone", stage.Inputs.text("deployment"))
	}
	var kept snapshot
	if err := json.Unmarshal(deployment.Data, &kept); err != nil {
		return gateway.Stage{}, fmt.Errorf("the snapshot of deployment %s: %w", deployment.ID, err)
	}
	api, err := gateway.Import([]byte(kept.Body))
	if err != nil {
		return gateway.Stage{}, fmt.Errorf("the snapshot of deployment %s: %w", deployment.ID, err)
	}
	served := gateway.Stage{API: api, RateRules: s.rateRulesFor(stage)}
	served.Throttles, served.Detailed = s.methodSettingsFor(place)
	if restAPI := s.store.Find(TypeRestAPI, place.api, ""); restAPI != nil {
		served.Name = restAPI.Inputs.text("name")
	}
	if served.Keys, err = s.keysFor(place); err != nil {
		return gateway.Stage{}, err
	}
	if settings := stage.Inputs.object("accessLogSettings"); settings != nil {
		served.AccessLogFormat = settings.text("format")
		log, err := s.openLog(settings.text("destinationArn"))
		if err != nil {
			return gateway.Stage{}, err
		}
		served.AccessLog = log
	}
	return served, nil
}

// keysFor returns the keys of every usage plan that covers the stage. API Gateway keeps a key from being on two of
// them, since it could not tell which one's limits hold.
func (s *Server) keysFor(place publishedStage) ([]gateway.Key, error) {
	var keys []gateway.Key
	for _, member := range s.store.Resources(TypeUsagePlanKey) {
		plan := s.store.Find(TypeUsagePlan, member.Inputs.text("usagePlanId"), "")
		key := s.store.Find(TypeAPIKey, member.Inputs.text("keyId"), "")
		if plan == nil || key == nil {
			continue
		}
		for _, covered := range plan.Inputs.objects("apiStages") {
			if covered.text("apiId") != place.api || covered.text("stage") != place.name {
				continue
			}
			if slices.ContainsFunc(keys, func(k gateway.Key) bool { return k.ID == key.ID }) {
				return nil, fmt.Errorf("ConflictException: the API key %s would be on two usage plans for it: "+
					"a key has one plan for each stage", key.ID)
			}
			keys = append(keys, gateway.Key{
				ID: key.ID, Value: keyValue(key), Enabled: key.Inputs.flag("enabled"), Plan: planFor(plan, covered),
			})
		}
	}
	return keys, nil
}

// planFor is what a usage plan means for one of the stages that it covers.
func planFor(plan *Resource, covered Properties) gateway.Plan {
	p := gateway.Plan{ID: plan.ID, Methods: map[string]gateway.Throttle{}}
	// The real provider sends 0 for a limit that is not given, as number returns it.
	if settings := plan.Inputs.object("throttleSettings"); settings != nil {
		p.Throttle = &gateway.Throttle{RateLimit: settings.number("rateLimit"), BurstLimit: int(settings.number("burstLimit"))}
	}
	for _, t := range covered.objects("throttles") {
		p.Methods[t.text("path")] = gateway.Throttle{RateLimit: t.number("rateLimit"), BurstLimit: int(t.number("burstLimit"))}
	}
	if quota := plan.Inputs.object("quotaSettings"); quota != nil {
		p.Quota = &gateway.Quota{
			Limit: int(quota.number("limit")), Offset: int(quota.number("offset")), Period: quota.text("period"),
		}
	}
	return p
}

// methodSettingsFor returns the throttles of the stage's MethodSettings, and which methods have metrics of their own.
// Their other settings are kept, and change nothing here: the local cloud has no execution logs.
func (s *Server) methodSettingsFor(place publishedStage) (throttles map[string]gateway.Throttle, detailed map[string]bool) {
	throttles, detailed = map[string]gateway.Throttle{}, map[string]bool{}
	for _, r := range s.store.Resources(TypeMethodSettings) {
		if r.Inputs.text("restApi") != place.api || r.Inputs.text("stageName") != place.name {
			continue
		}
		// The real provider's default for both limits, which means none but the account's.
		t := gateway.Throttle{RateLimit: -1, BurstLimit: -1}
		settings := r.Inputs.object("settings")
		if limit, given := settings["throttlingRateLimit"].(float64); given {
			t.RateLimit = limit
		}
		if limit, given := settings["throttlingBurstLimit"].(float64); given {
			t.BurstLimit = int(limit)
		}
		throttles[r.Inputs.text("methodPath")], detailed[r.Inputs.text("methodPath")] = t, settings.flag("metricsEnabled")
	}
	return throttles, detailed
}

// openLog opens the file that stands for a CloudWatch log group. It stays open until Close, since requests that began
// before a change still write to it.
func (s *Server) openLog(groupARN string) (*accessLog, error) {
	_, group, found := strings.Cut(groupARN, ":log-group:")
	if !found {
		return nil, fmt.Errorf("accessLogSettings.destinationArn must be the ARN of a CloudWatch log group, but is %q", groupARN)
	}
	group = strings.TrimSuffix(group, ":*")
	name := strings.Trim(strings.NewReplacer("/", "_", "\\", "_", ":", "_").Replace(group), "._")
	if open := s.logs[name]; open != nil {
		return open, nil
	}
	file, err := os.OpenFile(filepath.Join(s.options.LogDir, name+".access.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s.logs[name] = &accessLog{group: group, file: file, metric: s.options.Metric}
	return s.logs[name], nil
}

// Resume makes everything real again that the store holds: it starts the instances of every endpoint and the processes
// of every inference component, brings the queues and tables back, serves every stage and scales, and last the
// functions, which need all of it. It reports all that fails and leaves the rest running.
func (s *Server) Resume(ctx context.Context) error {
	for _, r := range s.store.Resources(TypeQueue) {
		s.options.Queues.Resume(queueOf(r))
	}
	for _, r := range s.store.Resources(TypeTable) {
		s.problems.note(r.ID, s.options.Tables.Resume(tableOf(r)))
	}
	for _, r := range s.store.Resources(TypeStack) {
		cloudformation.Resume(ctx, hosting{s}, stackOf(r), s.problems.note)
	}
	s.problems.note("scaling", s.registerScaling())
	s.problems.note("stages", s.publish())
	s.resumeFunctions()
	return s.Problem()
}

// Close closes the access logs. Nothing may be served any more.
func (s *Server) Close() error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var failures []error
	for _, log := range s.logs {
		failures = append(failures, log.file.Close())
	}
	clear(s.logs)
	return errors.Join(failures...)
}
