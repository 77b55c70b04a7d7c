// The policy pack of an inference API that scales to zero. It judges what a
// program registered, in whatever form, and knows none of its components.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"
)

// gcPercent lets the heap, of a few megabytes, grow to five times what is in use.
// The default takes as long for collecting garbage as the pack does for judging.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	err := policyx.Main(func(ctx *pulumi.Context) (policyx.PolicyPack, error) {
		return newPack(newRun(ctx.DryRun(), ctx.Stack(), time.Now))
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
