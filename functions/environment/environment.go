// Package environment is what the functions start with: their settings, their
// log, and the AWS configuration.
package environment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Settings reads environment variables and collects what is wrong with them, so
// that all of it is told at once.
type Settings struct {
	lookup   func(string) (string, bool)
	problems []error
}

// Read returns the settings of this process; lookup is os.LookupEnv.
func Read(lookup func(string) (string, bool)) *Settings { return &Settings{lookup: lookup} }

// Text is a variable that must not be empty.
func (s *Settings) Text(name string) string {
	value, _ := s.lookup(name)
	if value == "" {
		s.refuse("%s is not set", name)
	}
	return value
}

// Count is a variable that must be a whole number from 1.
func (s *Settings) Count(name string) int {
	text := s.Text(name)
	if text == "" {
		return 0
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 {
		s.refuse("%s is %q; it must be a whole number from 1", name, text)
	}
	return value
}

// Flag is a variable that must be true or false.
func (s *Settings) Flag(name string) bool {
	text := s.Text(name)
	if text != "" && text != "true" && text != "false" {
		s.refuse("%s is %q; it must be true or false", name, text)
	}
	return text == "true"
}

// Port is a variable that must be a port number, or is not set and means
// otherwise.
func (s *Settings) Port(name string, otherwise int) int {
	text, _ := s.lookup(name)
	if text == "" {
		return otherwise
	}
	value, err := strconv.ParseUint(text, 10, 16)
	if err != nil || value == 0 {
		s.refuse("%s is %q; it must be a port number from 1 to 65535", name, text)
	}
	return int(value)
}

// Either tells which of two forms of the environment there is: true for the one
// where the variable one is set, false for the one of the others. To set it
// beside any of the others is refused; that the others are there is left to those
// who read them.
func (s *Settings) Either(one string, others ...string) bool {
	if value, _ := s.lookup(one); value == "" {
		return false
	}
	for _, other := range others {
		if value, _ := s.lookup(other); value != "" {
			s.refuse("%s is set, and so is %s; set one of them", one, other)
		}
	}
	return true
}

func (s *Settings) refuse(format string, values ...any) {
	s.problems = append(s.problems, fmt.Errorf(format, values...))
}

// Err is nil, or all that is wrong with the variables that were read.
func (s *Settings) Err() error {
	if len(s.problems) == 0 {
		return nil
	}
	return fmt.Errorf("the function's environment: %w", errors.Join(s.problems...))
}

// Log writes one JSON object a line, as Lambda sends it to CloudWatch Logs.
func Log() *slog.Logger { return slog.New(slog.NewJSONHandler(os.Stdout, nil)) }

// AWS is the SDK's configuration from the environment, with the addresses in
// AWS_ENDPOINT_URL_SERVICE where they are set.
func AWS(ctx context.Context) (aws.Config, error) {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return loaded, fmt.Errorf("the AWS configuration: %w", err)
	}
	return loaded, nil
}

// Exit ends a function that cannot start.
func Exit(log *slog.Logger, err error) {
	log.Error("the function cannot start", "error", err.Error())
	os.Exit(1)
}
