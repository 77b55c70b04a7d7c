package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"scaletozero/localcloud/gateway"
)

// publishedStage is a stage that the gateway serves.
type publishedStage struct{ api, name string }

// commit stores a change and shows it to the gateway. If either fails the change is taken back.
func (s *Server) commit(old, next *Resource) error {
	if err := s.store.Replace(old, next); err != nil {
		return err
	}
	if r := next; r != nil && !strings.HasPrefix(r.Type, "aws:apigateway/") || r == nil && !strings.HasPrefix(old.Type, "aws:apigateway/") {
		return nil
	}
	if err := s.publish(); err != nil {
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
	served := gateway.Stage{API: api, Keys: s.keysFor(place.api, place.name)}
	if settings := stage.Inputs.object("accessLogSettings"); settings != nil {
		served.AccessLogFormat = settings.text("format")
		served.AccessLog, err = s.openLog(settings.text("destinationArn"))
	}
	return served, err
}

// keysFor returns the keys of every usage plan that covers the stage.
func (s *Server) keysFor(api, stage string) []gateway.Key {
	var keys []gateway.Key
	for _, member := range s.store.Resources(TypeUsagePlanKey) {
		plan := s.store.Find(TypeUsagePlan, member.Inputs.text("usagePlanId"), "")
		key := s.store.Find(TypeAPIKey, member.Inputs.text("keyId"), "")
		if plan == nil || key == nil {
			continue
		}
		for _, covered := range plan.Inputs.objects("apiStages") {
			if covered.text("apiId") == api && covered.text("stage") == stage {
				keys = append(keys, gateway.Key{ID: key.ID, Value: keyValue(key), Enabled: key.Inputs.flag("enabled")})
			}
		}
	}
	return keys
}

// openLog opens the file that stands for a CloudWatch log group. It stays open until Close, since requests that began
// before a change still write to it.
func (s *Server) openLog(groupARN string) (*os.File, error) {
	_, group, found := strings.Cut(groupARN, ":log-group:")
	if !found {
		return nil, fmt.Errorf("accessLogSettings.destinationArn must be the ARN of a CloudWatch log group, but is %q", groupARN)
	}
	name := strings.Trim(strings.NewReplacer("/", "_", "\\", "_", ":", "_").Replace(strings.TrimSuffix(group, ":*")), "._")
	if open := s.logs[name]; open != nil {
		return open, nil
	}
	opened, err := os.OpenFile(filepath.Join(s.options.LogDir, name+".access.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		s.logs[name] = opened
	}
	return opened, err
}

// Resume makes everything real again that the store holds: it starts the processes of every inference component and
// serves every stage. It reports all that fails and leaves the rest running.
func (s *Server) Resume(ctx context.Context) error {
	for _, r := range s.store.Resources(TypeStack) {
		for _, deployed := range stackOf(r).Resources {
			if deployed.Component != nil {
				s.problems.note(deployed.Name, s.options.Runtime.Apply(ctx, *deployed.Component))
			}
		}
	}
	s.problems.note("stages", s.publish())
	return s.Problem()
}

// Close closes the access logs. Nothing may be served any more.
func (s *Server) Close() error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var failures []error
	for _, log := range s.logs {
		failures = append(failures, log.Close())
	}
	clear(s.logs)
	return errors.Join(failures...)
}
