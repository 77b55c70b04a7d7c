package cost

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// The picture, in its own units: panels side by side below a legend.
const (
	panelWidth, panelHeight = 340.0, 240.0
	gutter                  = 44.0
	left, right             = 64.0, 36.0
	margin                  = 16.0
	top, bottom             = 122.0, 78.0
)

// style gives the colours for light and dark viewers. The paper is drawn as well:
// a page may be dark where its viewer is light. Lines differ in their dashes too,
// for who sees no colours.
const style = `
.paper { fill: #ffffff; }
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.small { font-size: 12px; fill: #57606a; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.d0 { stroke: #57606a; }
.d1 { stroke: #0969da; }
.d2 { stroke: #1a7f37; stroke-dasharray: 7 4; }
.d3 { stroke: #bc4c00; stroke-dasharray: 2 4; stroke-linecap: round; }
.d4 { stroke: #8250df; stroke-dasharray: 10 4 2 4; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117; }
text { fill: #e6edf3; }
.small { fill: #9da7b3; }
.grid { stroke: #3d444d; }
.d0 { stroke: #9da7b3; }
.d1 { stroke: #58a6ff; }
.d2 { stroke: #56d364; }
.d3 { stroke: #ffa657; }
.d4 { stroke: #d2a8ff; }
}
`

// plot is a picture that is being drawn.
type plot struct {
	strings.Builder
	// highest is the end of the cost axis, tick the distance of its lines.
	highest, tick float64
}

// Plot draws the curves as an SVG picture, one panel each, on one axis of cost.
func Plot(curves []*Curve, p *Prices) string {
	width := left + right + float64(len(curves))*(panelWidth+gutter) - gutter
	height := top + panelHeight + bottom
	d := &plot{}
	for _, c := range curves {
		for _, costs := range c.Monthly {
			for _, usd := range costs {
				d.highest = max(d.highest, usd)
			}
		}
	}
	d.tick = nice(d.highest / 5)
	d.highest = d.tick * math.Ceil(max(d.highest/d.tick, 1))
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-label="Cost per month by requests per month, for each design">`,
		width, height, width, height)
	fmt.Fprintf(d, "<style>%s</style>\n", style)
	fmt.Fprintf(d, `<rect class="paper" width="%g" height="%g" rx="6"/>`, width, height)
	d.text(margin, 24, "title", "start", "US dollars a month, by requests a month")
	d.legend()
	for i, c := range curves {
		d.panel(left+float64(i)*(panelWidth+gutter), c, i == 0)
	}
	d.text(margin, height-30, "small", "start", "Simulated with the program's own scaling, a week for each point.")
	d.text(margin, height-12, "small", "start", footnote(p))
	fmt.Fprint(d, "</svg>\n")
	return d.String()
}

func footnote(p *Prices) string {
	unverified := 0
	for _, price := range p.Prices {
		if !price.Verified() {
			unverified++
		}
	}
	return fmt.Sprintf("List prices of %s, %d of %d unverified.", p.Region, unverified, len(p.Prices))
}

// legend names the lines, two to a row so that it fits above one panel.
func (d *plot) legend() {
	for i, design := range Designs() {
		x, y := margin+float64(i%2)*150, 44+float64(i/2)*18
		fmt.Fprintf(d, `<path class="line d%d" d="M%g %gh30"/>`, i, x, y)
		d.text(x+38, y+4, "", "start", design.Name)
	}
}

// panel draws one curve with its axes.
func (d *plot) panel(x float64, c *Curve, labelled bool) {
	floor := top + panelHeight
	d.text(x, top-14, "", "start", clipped(c.Name))
	for usd := 0.0; usd <= d.highest+d.tick/2; usd += d.tick {
		y := floor - usd/d.highest*panelHeight
		fmt.Fprintf(d, `<path class="grid" d="M%g %.1fh%g"/>`, x, y, panelWidth)
		if labelled {
			d.text(x-8, y+4, "", "end", "$"+short(usd))
		}
	}
	first := math.Log10(c.Requests[0])
	span := max(math.Log10(c.Requests[len(c.Requests)-1])-first, 1)
	at := func(requests float64) float64 { return x + (math.Log10(requests)-first)/span*panelWidth }
	for exponent := math.Ceil(first); exponent <= first+span; exponent++ {
		d.text(at(math.Pow(10, exponent)), floor+20, "", "middle", short(math.Pow(10, exponent)))
	}
	for i, costs := range c.Monthly {
		fmt.Fprintf(d, `<path class="line d%d" d="`, i)
		for point, usd := range costs {
			command := "L"
			if point == 0 {
				command = "M"
			}
			fmt.Fprintf(d, "%s%.1f %.1f", command, at(c.Requests[point]), floor-usd/d.highest*panelHeight)
		}
		fmt.Fprint(d, "\"/>\n")
	}
}

// clipped is the end of a name that would not fit above a panel.
func clipped(name string) string {
	const most = 40
	if letters := []rune(name); len(letters) > most {
		return "…" + string(letters[len(letters)-most:])
	}
	return name
}

func (d *plot) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">`, x, y, class, anchor)
	_ = xml.EscapeText(d, []byte(text)) // A builder takes everything.
	fmt.Fprint(d, "</text>\n")
}

// nice is the least of 1, 2, 5, 10, 20, 50 and so on that is not below x.
func nice(x float64) float64 {
	if x <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, digit := range []float64{1, 2, 5} {
		if digit*power >= x {
			return digit * power
		}
	}
	return 10 * power
}

// short is a number with k for thousands and M for millions.
func short(x float64) string {
	switch {
	case x >= 1e6:
		return fmt.Sprintf("%gM", x/1e6)
	case x >= 1e3:
		return fmt.Sprintf("%gk", x/1e3)
	default:
		return fmt.Sprintf("%g", x)
	}
}
