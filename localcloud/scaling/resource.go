package scaling

import (
	"fmt"
	"strings"
)

// The scalable dimensions that the local cloud has, as Application Auto Scaling
// names them (API reference, RegisterScalableTarget).
const (
	// CopyCount is the number of copies of an inference component.
	CopyCount = "sagemaker:inference-component:DesiredCopyCount"
	// ProvisionedConcurrency is the number of execution environments that the
	// alias of a function keeps.
	ProvisionedConcurrency = "lambda:function:ProvisionedConcurrency"
)

// Resource is what a scalable target scales.
type Resource struct {
	// Dimension is the scalable dimension.
	Dimension string
	// ID is the resource ID, whose form the dimension gives:
	// "inference-component/NAME" or "function:NAME:ALIAS".
	ID string
}

// ComponentPrefix is what the ID of an inference component begins with.
const ComponentPrefix = "inference-component/"

// Component is the inference component with the name, whose copies are scaled.
func Component(name string) Resource { return Resource{CopyCount, ComponentPrefix + name} }

// Component is the name of the inference component; it is empty for a resource of
// another dimension.
func (r Resource) Component() string {
	if r.Dimension != CopyCount {
		return ""
	}
	return strings.TrimPrefix(r.ID, ComponentPrefix)
}

// Scalable reads and sets what a scalable dimension counts, of the resources that
// it is given by their IDs.
type Scalable interface {
	// Capacity is how much the resource shall have; ok is false where there is no
	// such resource.
	Capacity(id string) (n int, ok bool)
	// SetCapacity asks for another capacity and returns at once.
	SetCapacity(id string, n int) error
	// Settled tells whether all that is to come or go has done so, and how the last
	// change failed if it did. Until then the resource is not scaled: Application
	// Auto Scaling then gives the reason TargetServicePutResourceAsUnscalable.
	Settled(id string) (settled bool, failure error)
	// Setting is what an activity says that asks for a capacity.
	Setting(n int) string
}

// Dimensions are the scalable dimensions of a Scaler, by their names. A resource
// of another dimension does not exist.
type Dimensions map[string]Scalable

// Components runs inference components; endpoint.Runtime is the real one.
type Components interface {
	// DesiredCopies is how many copies the component shall have; ok is false
	// where there is no such component.
	DesiredCopies(component string) (n int, ok bool)
	// SetDesiredCopies asks for another number and returns at once.
	SetDesiredCopies(component string, n int) error
	// Updating tells whether copies are still coming or going.
	Updating(component string) bool
}

// Copies makes CopyCount of what runs inference components.
func Copies(c Components) Scalable { return copyCount{c} }

type copyCount struct{ components Components }

func (c copyCount) Capacity(id string) (int, bool) {
	return c.components.DesiredCopies(Resource{CopyCount, id}.Component())
}

func (c copyCount) SetCapacity(id string, n int) error {
	return c.components.SetDesiredCopies(Resource{CopyCount, id}.Component(), n)
}

func (c copyCount) Settled(id string) (bool, error) {
	return !c.components.Updating(Resource{CopyCount, id}.Component()), nil
}

func (copyCount) Setting(n int) string { return fmt.Sprintf("Setting desired copy count to %d.", n) }

// capacity is how much the resource shall have; ok is false where there is no
// such resource.
func (s *Scaler) capacity(r Resource) (n int, ok bool) {
	if d := s.dimensions[r.Dimension]; d != nil {
		return d.Capacity(r.ID)
	}
	return 0, false
}

// unsettled tells whether the resource, which exists, is still changing.
func (s *Scaler) unsettled(r Resource) bool {
	settled, _ := s.dimensions[r.Dimension].Settled(r.ID)
	return !settled
}
