// Package loopback tells names of this machine from others.
package loopback

import "net"

// Is tells whether the host names loopback: localhost, or an address such as
// 127.0.0.1 or ::1. It may have a port: 127.0.0.1:4510, [::1]:4510.
//
// A server that listens on loopback asks it about the Host of a request, too: a
// page of another site cannot be read by way of a name of its own that was made
// to point to this machine, since that name is the Host then.
func Is(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
