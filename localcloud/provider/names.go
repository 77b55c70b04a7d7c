package provider

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// accountID is the AWS account of the local cloud.
const accountID = "123456789012"

// partition is an AWS partition, as aws.getPartition describes it.
type partition struct{ name, dnsSuffix, reverseDNS string }

func partitionOf(region string) partition {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return partition{"aws-cn", "amazonaws.com.cn", "cn.com.amazonaws"}
	case strings.HasPrefix(region, "us-gov-"):
		return partition{"aws-us-gov", "amazonaws.com", "com.amazonaws"}
	default:
		return partition{"aws", "amazonaws.com", "com.amazonaws"}
	}
}

// arn returns an ARN in the partition of r's region. Global services have no region, some regional ones no account.
func arn(r *Resource, service, region, account, resource string) string {
	return strings.Join([]string{"arn", partitionOf(r.Region).name, service, region, account, resource}, ":")
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789"

// token returns n lower-case letters and digits that follow from the seeds alone, so that a local stack which is
// deployed anew gets the same identifiers.
func token(n int, seeds ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(seeds, "\x00")))
	number, base := new(big.Int).SetBytes(sum[:]), big.NewInt(int64(len(alphanumeric)))
	out := make([]byte, n)
	for i := range out {
		digit := new(big.Int)
		number.DivMod(number, base, digit)
		out[i] = alphanumeric[digit.Int64()]
	}
	return string(out)
}

// uuid returns a UUID that follows from the seeds alone.
func uuid(seeds ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(seeds, "\x00")))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// secretToken returns n random letters and digits.
func secretToken(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + alphanumeric
	out := make([]byte, 0, n)
	for len(out) < n {
		block := make([]byte, 2*n)
		_, _ = rand.Read(block) // It never fails: it ends the program instead.
		for _, b := range block {
			// Bytes beyond the last multiple would make the first letters more likely.
			if int(b) < 256-256%len(letters) && len(out) < n {
				out = append(out, letters[int(b)%len(letters)])
			}
		}
	}
	return string(out)
}

// inputAsID makes an ID function for types whose ID is one of their inputs.
func inputAsID(input string) func(*Server, *Resource) string {
	return func(_ *Server, r *Resource) string { return r.Inputs.text(input) }
}

// generatedID makes an ID function for types whose ID AWS generates: n lower-case letters and digits, different from
// those of every living resource of the type.
func generatedID(n int) func(*Server, *Resource) string {
	return func(s *Server, r *Resource) string {
		for attempt := 0; ; attempt++ {
			id := token(n, r.URN, fmt.Sprint(attempt))
			if s.store.Find(r.Type, id, "") == nil {
				return id
			}
		}
	}
}

// defaultsKey holds the names of the inputs that the provider filled in, as in every bridged provider. A name in it
// is kept from one update to the next; a name that the user gave and took away again is not.
const defaultsKey = resource.PropertyKey("__defaults")

// applyDefaults adds the automatic name and the default values to checked inputs.
func (k *kind) applyDefaults(inputs, olds resource.PropertyMap, logicalName string, seed []byte) error {
	var filled []resource.PropertyValue
	if _, given := inputs["name"]; k.nameLimit > 0 && !given && inputs["namePrefix"].IsNull() {
		name, err := k.automaticName(olds, logicalName, seed)
		if err != nil {
			return err
		}
		inputs["name"] = resource.NewProperty(name)
		filled = append(filled, resource.NewProperty("name"))
	}
	for key, value := range k.defaults {
		if current, given := inputs[resource.PropertyKey(key)]; !given || current.IsNull() {
			inputs[resource.PropertyKey(key)] = resource.NewPropertyValue(value)
			filled = append(filled, resource.NewProperty(key))
		}
	}
	sortStrings(filled)
	inputs[defaultsKey] = resource.NewProperty(filled)
	return nil
}

// automaticName returns the old automatic name if there is one, and otherwise the logical name with seven hexadecimal
// digits.
func (k *kind) automaticName(olds resource.PropertyMap, logicalName string, seed []byte) (string, error) {
	if old := olds["name"]; old.IsString() && isDefault(olds, "name") {
		return old.StringValue(), nil
	}
	if k.lowerName {
		logicalName = strings.ToLower(logicalName)
	}
	return resource.NewUniqueName(seed, logicalName+"-", 7, k.nameLimit, nil)
}

// isDefault tells whether the provider filled in the input.
func isDefault(inputs resource.PropertyMap, name string) bool {
	if !inputs[defaultsKey].IsArray() {
		return false
	}
	for _, value := range inputs[defaultsKey].ArrayValue() {
		if value.IsString() && value.StringValue() == name {
			return true
		}
	}
	return false
}
