package jobs

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"regexp"
)

// uuid is what both kinds of id look like (RFC 9562).
var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// validID keeps other rows of the table from being taken for jobs.
func validID(id string) bool { return uuid.MatchString(id) }

// RandomID is a random UUID, version 4.
func RandomID() string {
	var random [16]byte
	// It never fails: it ends the program where the system has no randomness.
	_, _ = rand.Read(random[:])
	return formatID(random[:], 4)
}

// derivedID is the same for the same caller and key, so that a repeated request
// finds its job without a table of keys: a UUID of version 8, which is for an
// application's own use.
func derivedID(caller, key string) string {
	sum := sha256.Sum256([]byte(caller + "\x00" + key))
	return formatID(sum[:16], 8)
}

func formatID(b []byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
