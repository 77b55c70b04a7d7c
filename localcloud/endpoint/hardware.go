package endpoint

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// hardware is what an instance has room for, or what a copy reserves.
type hardware struct {
	cpuCores     float64
	memoryMB     int
	accelerators float64
}

// machine is an instance type's size: virtual CPUs, memory in GiB, and
// accelerators (AWS pages "Amazon SageMaker AI pricing" and "Amazon EC2 instance
// types").
type machine struct{ cpus, memory, accelerators int }

// accelerated are the types whose size does not follow from their name.
var accelerated = map[string]machine{
	"ml.g4dn.xlarge": {4, 16, 1}, "ml.g4dn.2xlarge": {8, 32, 1}, "ml.g4dn.4xlarge": {16, 64, 1},
	"ml.g4dn.8xlarge": {32, 128, 1}, "ml.g4dn.12xlarge": {48, 192, 4}, "ml.g4dn.16xlarge": {64, 256, 1},
	"ml.g5.xlarge": {4, 16, 1}, "ml.g5.2xlarge": {8, 32, 1}, "ml.g5.4xlarge": {16, 64, 1}, "ml.g5.8xlarge": {32, 128, 1},
	"ml.g5.12xlarge": {48, 192, 4}, "ml.g5.16xlarge": {64, 256, 1}, "ml.g5.24xlarge": {96, 384, 4}, "ml.g5.48xlarge": {192, 768, 8},
	"ml.g6.xlarge": {4, 16, 1}, "ml.g6.2xlarge": {8, 32, 1}, "ml.g6.4xlarge": {16, 64, 1}, "ml.g6.8xlarge": {32, 128, 1},
	"ml.g6.12xlarge": {48, 192, 4}, "ml.g6.16xlarge": {64, 256, 1}, "ml.g6.24xlarge": {96, 384, 4}, "ml.g6.48xlarge": {192, 768, 8},
	"ml.inf2.xlarge": {4, 16, 1}, "ml.inf2.8xlarge": {32, 128, 1}, "ml.inf2.24xlarge": {96, 384, 6}, "ml.inf2.48xlarge": {192, 768, 12},
	"ml.p4d.24xlarge": {96, 1152, 8}, "ml.p5.48xlarge": {192, 2048, 8},
}

// plain is a name of the general, compute-optimised and memory-optimised
// families, in which the letter gives the memory per virtual CPU and the size
// the number of virtual CPUs.
var plain = regexp.MustCompile(`^ml\.([mcr])[4-9][a-z]*\.(\d*)(x?)large$`)

var memoryPerCPU = map[string]int{"c": 2, "m": 4, "r": 8}

// schedulable is the part of an instance's memory that copies can reserve. AWS
// does not publish it. JumpStart's own deployments reserve up to half, for
// example 98,304 MB on ml.g5.12xlarge.
const schedulable = 0.5

// hardwareOf returns what an empty instance of the type has room for.
func hardwareOf(instanceType string) (hardware, error) {
	size, known := accelerated[instanceType]
	if name := plain.FindStringSubmatch(instanceType); !known && name != nil && (name[2] == "" || name[3] == "x") {
		size.cpus = 2
		if name[3] == "x" {
			size.cpus = 4
		}
		if name[2] != "" {
			times, err := strconv.Atoi(name[2])
			if err != nil {
				return hardware{}, fmt.Errorf("InstanceType %q: %w", instanceType, err)
			}
			size.cpus *= times
		}
		size.memory, known = size.cpus*memoryPerCPU[name[1]], true
	}
	if !known {
		return hardware{}, fmt.Errorf("InstanceType is %q, whose size localcloud does not know: use one of the families "+
			"ml.m4 to ml.m9, ml.c4 to ml.c9, ml.r4 to ml.r9, ml.g4dn, ml.g5, ml.g6, ml.inf2, ml.p4d or ml.p5", instanceType)
	}
	return hardware{float64(size.cpus), int(float64(size.memory) * 1024 * schedulable), float64(size.accelerators)}, nil
}

// CopiesPerInstance is how many copies an empty instance of the type has room for.
//
// Errors: a type of unknown size, one that is too small for a copy, and copies
// that reserve nothing, of which there could be any number.
func CopiesPerInstance(instanceType string, needs Requirements) (int, error) {
	size, err := hardwareOf(instanceType)
	if err != nil {
		return 0, err
	}
	reserves := (&Component{Needs: needs}).reserves()
	if reserves == (hardware{}) {
		return 0, errors.New("a copy reserves nothing: give its cores, memory or accelerators")
	}
	copies := 0
	for used := (hardware{}); size.holds(used, reserves); used = used.plus(reserves) {
		copies++
	}
	if copies == 0 {
		return 0, fmt.Errorf("%w: a copy reserves %s, and an empty %s has room for %s", errNoHardware, reserves, instanceType, size)
	}
	return copies, nil
}

// holds tells whether h has room for more beside what is used.
func (h hardware) holds(used, more hardware) bool {
	return used.cpuCores+more.cpuCores <= h.cpuCores && used.memoryMB+more.memoryMB <= h.memoryMB &&
		used.accelerators+more.accelerators <= h.accelerators
}

func (h hardware) plus(more hardware) hardware {
	return hardware{h.cpuCores + more.cpuCores, h.memoryMB + more.memoryMB, h.accelerators + more.accelerators}
}

func (h hardware) String() string {
	return fmt.Sprintf("%g CPU cores, %d MB of memory and %g accelerators", h.cpuCores, h.memoryMB, h.accelerators)
}
