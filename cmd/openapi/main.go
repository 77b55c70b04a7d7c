// Command openapi writes the API of a stack as an OpenAPI document for
// clients, from the stack's configuration files alone.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"scaletozero/components/arn"
	"scaletozero/components/gateway"
	"scaletozero/internal/settings"
)

func main() {
	stack := flag.String("stack", "dev", "the stack whose Pulumi.STACK.yaml is read")
	flag.Parse()
	if err := write(*stack); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func write(stack string) error {
	values, err := settings.Files(".", stack)
	if err != nil {
		return err
	}
	s, err := settings.Parse(stack, values.Source)
	if err != nil {
		return err
	}
	// No account is asked: what names it is not in the clients' document.
	doc, err := gateway.ClientDocument(s.API(arn.Scope{Partition: "aws", Region: s.Region}))
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(doc)
}
