package cost

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Write writes the comparison as a table.
func (c *Comparison) Write(w io.Writer) error {
	days := strconv.FormatFloat(c.Trace.End.Sub(c.Trace.Start).Hours()/24, 'g', 3, 64) + " days"
	if days == "1 days" {
		days = "a day"
	}
	fmt.Fprintf(w, "%s: %s requests in %s from %s on\n\n", c.Trace.Name,
		grouped(c.Results[0].Usage.Requests), days, c.Trace.Start.Format(time.DateOnly))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "  \tUSD a month\tinstance hours\trefused at first\twait p50\twait p95\t")
	for _, r := range c.Results {
		hours := "-"
		if !r.Design.Lambda {
			hours = strconv.FormatFloat(r.Usage.Instances.Hours(), 'f', 1, 64)
		}
		fmt.Fprintf(table, "  %s\t%.2f\t%s\t%s\t%s\t%s\t\n", r.Design.Name, r.Monthly, hours,
			grouped(r.Usage.Refused), wait(r.Usage.P50), wait(r.Usage.P95))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// wait is a duration as the table has it: to the tenth of a second.
func wait(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// grouped is a number with commas.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Write writes what the numbers rest on.
func (s *Scenario) Write(w io.Writer) error {
	target := s.Program.Scaling.Targets[0]
	fmt.Fprintf(w, "An endpoint: %s, up to %d copies, %d to an instance, and the program's own policies and alarm.\n", s.Program.InstanceType, target.Max, s.Program.PerInstance)
	fmt.Fprintf(w, "The model: %s a request, one at a time; %s from an instance to the first answer.\n", s.Model.Answer, s.Model.Start)
	fmt.Fprintf(w, "Lambda: %d MB of %s; a cold start of %s and environments that stay %s are assumptions.\n",
		s.Program.Function.MemoryMB, s.Program.Function.Architecture, s.Model.LambdaStart, s.Model.LambdaIdle)
	fmt.Fprintf(w, "Callers who are refused come again after %s. A month has 30 days.\n", comesAgain)
	fmt.Fprintf(w, "Business hours: %s sets the least copies to 1, %s back to 0, in %s; so they do with the environments that are kept.\n\n", openSchedule, closeSchedule, zone)
	return s.Prices.Write(w)
}

// Write writes the prices, with what each rests on.
func (p *Prices) Write(w io.Writer) error {
	fmt.Fprintf(w, "Prices in %s, %s:\n", p.Region, p.Currency)
	unverified := 0
	for _, key := range p.keys() {
		price := p.Prices[key]
		status := price.Status
		if !price.Verified() {
			unverified++
			status = strings.ToUpper(status)
		}
		fmt.Fprintf(w, "  %s: %s per %s\n    %s, %s: %s\n", key, strconv.FormatFloat(price.USD, 'f', -1, 64), price.Per, status, price.Date, price.Source)
	}
	if unverified > 0 {
		fmt.Fprintf(w, "Unverified prices: %d of %d. Look them up before you rely on a sum.\n", unverified, len(p.Prices))
	}
	_, err := fmt.Fprintln(w, "Not counted: logs, data transfer, the image's storage, queue, firewall, and alarms that move no copies.")
	return err
}
