package provider

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Diff compares the old inputs with the new ones and tells which changes replace the resource.
func (s *Server) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	_, k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, olds, err := unmarshal2(req.GetNews(), req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	state, err := unmarshal(req.GetOlds())
	if err != nil {
		return nil, err
	}
	changes := k.detailedDiff(olds, news)
	if k.tagged() && !news["tags"].ContainsUnknowns() && !sameTags(state, sessionOf(ctx).allTags(plain(news))) && changes["tags"] == nil {
		changes["tagsAll"] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_UPDATE}
	}
	if k.compare != nil {
		k.compare(plain(state), plain(news), changes)
	}
	return k.diffResponse(changes, news), nil
}

// detailedDiff lists the changed inputs by their paths.
func (k *kind) detailedDiff(olds, news resource.PropertyMap) map[string]*pulumirpc.PropertyDiff {
	changes := map[string]*pulumirpc.PropertyDiff{}
	olds, news = maps.Clone(olds), maps.Clone(news)
	for _, name := range k.documents {
		key := resource.PropertyKey(name)
		if sameDocument(olds[key], news[key]) {
			news[key] = olds[key]
		}
	}
	delete(olds, defaultsKey)
	delete(news, defaultsKey)
	for path, diff := range plugin.NewDetailedDiffFromObjectDiff(olds.Diff(news), true) {
		parsed, err := resource.ParsePropertyPath(path)
		if err != nil || len(parsed) == 0 {
			continue
		}
		input, _ := parsed[0].(string)
		changes[path] = &pulumirpc.PropertyDiff{Kind: diffKind(diff.Kind, k.replacedBy(input)), InputDiff: true}
	}
	return changes
}

func diffKind(kind plugin.DiffKind, replace bool) pulumirpc.PropertyDiff_Kind {
	plain := map[plugin.DiffKind]pulumirpc.PropertyDiff_Kind{
		plugin.DiffAdd: pulumirpc.PropertyDiff_ADD, plugin.DiffDelete: pulumirpc.PropertyDiff_DELETE, plugin.DiffUpdate: pulumirpc.PropertyDiff_UPDATE,
	}[kind]
	if !replace {
		return plain
	}
	return map[pulumirpc.PropertyDiff_Kind]pulumirpc.PropertyDiff_Kind{
		pulumirpc.PropertyDiff_ADD:    pulumirpc.PropertyDiff_ADD_REPLACE,
		pulumirpc.PropertyDiff_DELETE: pulumirpc.PropertyDiff_DELETE_REPLACE,
		pulumirpc.PropertyDiff_UPDATE: pulumirpc.PropertyDiff_UPDATE_REPLACE,
	}[plain]
}

// diffResponse sums the changes up. As in the real provider, a replacement is deleted before it is created again if
// its physical name was chosen by the program and stays: two resources cannot have it at once.
func (k *kind) diffResponse(changes map[string]*pulumirpc.PropertyDiff, news resource.PropertyMap) *pulumirpc.DiffResponse {
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, DetailedDiff: changes, HasDetailedDiff: true,
	}
	for _, path := range slices.Sorted(maps.Keys(changes)) {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		// The two lists name properties of the resource, not what changed inside them: a preview sums up by them.
		property := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' })[0]
		response.Diffs = append(response.Diffs, property)
		switch changes[path].GetKind() {
		case pulumirpc.PropertyDiff_ADD_REPLACE, pulumirpc.PropertyDiff_DELETE_REPLACE, pulumirpc.PropertyDiff_UPDATE_REPLACE:
			response.Replaces = append(response.Replaces, property)
		}
	}
	response.Diffs, response.Replaces = slices.Compact(response.Diffs), slices.Compact(response.Replaces)
	nameStays := k.nameLimit > 0 && !isDefault(news, "name") && changes["name"] == nil
	response.DeleteBeforeReplace = len(response.Replaces) > 0 && (k.deleteFirst || nameStays)
	return response
}

// sameDocument tells whether two JSON documents differ only in their spelling.
func sameDocument(a, b resource.PropertyValue) bool {
	if !a.IsString() || !b.IsString() {
		return false
	}
	var left, right any
	return json.Unmarshal([]byte(a.StringValue()), &left) == nil &&
		json.Unmarshal([]byte(b.StringValue()), &right) == nil && reflect.DeepEqual(left, right)
}

func sameTags(state resource.PropertyMap, tags map[string]string) bool {
	return maps.Equal(plain(state).texts("tagsAll"), tags)
}

// previewOutputs returns what a preview knows: the inputs, what is left of the old outputs, and unknown values for
// the other computed outputs.
func previewOutputs(inputs, computed, olds resource.PropertyMap) resource.PropertyMap {
	out := resource.PropertyMap{}
	for key := range computed {
		out[key] = resource.MakeComputed(resource.NewProperty(""))
		if old, ok := olds[key]; ok {
			out[key] = old
		}
	}
	for key, value := range inputs {
		if !resource.IsInternalPropertyKey(key) && !value.IsNull() {
			out[key] = value
		}
	}
	return out
}

// previewUpdate returns what a preview of an update knows. Computed outputs stay as they are but for the type's
// volatile and unsettled ones.
func (s *Server) previewUpdate(k *kind, r *Resource, inputs, olds resource.PropertyMap) resource.PropertyMap {
	kept := maps.Clone(olds)
	unknown := k.volatile
	if k.unsettled != nil {
		unknown = slices.Concat(unknown, k.unsettled(s.store.Find(r.Type, r.ID, r.URN), r))
	}
	for _, name := range unknown {
		delete(kept, resource.PropertyKey(name))
	}
	computed := k.computed(s, r).propertyMap()
	if k.tagged() && !inputs["tags"].ContainsUnknowns() {
		kept["tagsAll"] = computed["tagsAll"]
	}
	return previewOutputs(inputs, computed, kept)
}
