// Command rotatekey replaces the API key of a stack without an outage, one step a
// run: it adds a key beside the old one, then disables the old one, then removes
// it. It looks in the stack where the rotation stands, writes the next step into
// the stack's configuration and deploys it with the policy pack. It never reads
// or prints a key.
//
//	rotatekey [-stack STACK] [-yes]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"scaletozero/internal/settings"
)

func main() {
	stack := flag.String("stack", "dev", "the stack whose key is replaced")
	yes := flag.Bool("yes", false, "update without asking")
	flag.Parse()
	// Ctrl-C is for Pulumi, which ends an update in order.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	if err := rotate(*stack, *yes); err != nil {
		fmt.Fprintln(os.Stderr, "rotatekey:", err)
		os.Exit(1)
	}
}

func rotate(stack string, yes bool) error {
	values, err := settings.Files(".", stack)
	if err != nil {
		return err
	}
	configured, err := settings.APIKeys(stack, values.Source)
	if err != nil {
		return err
	}
	has, err := look(stack)
	if err != nil {
		return err
	}
	following, err := next(stack, configured, has.keys)
	if err != nil {
		return err
	}
	fmt.Print(following.before(stack, has))
	for _, arguments := range following.commands() {
		if err := printing(pulumi(stack, arguments...)); err != nil {
			return fmt.Errorf("writing the configuration of stack %s: %w", stack, err)
		}
	}
	if err := update(stack, yes); err != nil {
		return following.failed(stack, err)
	}
	fmt.Print("\n", following.done(stack, has))
	return nil
}

// look reads what the stack has.
func look(stack string) (deployed, error) {
	export, err := pulumi(stack, "stack", "export").Output()
	if err != nil {
		return deployed{}, fmt.Errorf("stack %s cannot be read (%w); log in to its backend with `pulumi login`, or for the local stack with `. .local/env`", stack, err)
	}
	return parseState(export)
}

func update(stack string, yes bool) error {
	arguments := []string{"up", "--policy-pack", "policies"}
	if yes {
		arguments = append(arguments, "--yes")
	}
	return printing(pulumi(stack, arguments...))
}

// failed says what to do about an update that failed. What it did to the keys is
// in the state: to run this again would be the next step, if all was done.
func (s step) failed(stack string, cause error) error {
	if has, err := look(stack); err == nil && s.reached(has) {
		fmt.Print("\n", s.done(stack, has))
		return fmt.Errorf("the update of stack %s failed (%w), but not at the API keys: this step is done; "+
			"finish the update with `pulumi up --stack %s --policy-pack policies` before the next one", stack, cause, stack)
	}
	return fmt.Errorf("the update of stack %s was declined or failed (%w), and the step is in its configuration; "+
		"run this again to go on with it, or take it back with `%s --stack %s`", stack, cause, s.undo(), stack)
}

// pulumi is a command of the CLI on the stack.
func pulumi(stack string, arguments ...string) *exec.Cmd {
	command := exec.Command("pulumi", append(arguments, "--stack", stack)...)
	command.Stdin, command.Stderr = os.Stdin, os.Stderr
	return command
}

func printing(command *exec.Cmd) error {
	command.Stdout = os.Stdout
	return command.Run()
}
