package dynamodb

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/truora/minidyn/server"
)

// The limits of DynamoDB (developer guide, "Constraints in Amazon DynamoDB").
const (
	// maxItem is the largest item, in bytes, the names of its attributes included.
	maxItem = 400 << 10
	// maxHashKey and maxRangeKey are the largest keys, in bytes.
	maxHashKey  = 2048
	maxRangeKey = 1024
)

// maxDigits is how many digits of a number the engine keeps, which computes with
// float64. DynamoDB keeps 38.
const maxDigits = 15

var number = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// checkItem refuses an item that is too large, with the given message, and one
// whose key or numbers are not valid.
func checkItem(one item, t Table, tooLarge string) error {
	if err := checkKeyValues(one, t); err != nil {
		return err
	}
	if err := checkValues(one); err != nil {
		return err
	}
	if sizeOf(one) > maxItem {
		return invalid("%s", tooLarge)
	}
	return nil
}

func checkKey(key item, t Table) error {
	if len(key) != len(t.keys()) || key[t.HashKey] == nil || t.RangeKey != "" && key[t.RangeKey] == nil {
		return invalid("The provided key element does not match the schema")
	}
	return checkKeyValues(key, t)
}

func checkKeyValues(one item, t Table) error {
	if err := checkKeyValue(one[t.HashKey], t.HashKey, "hashkey", maxHashKey); err != nil || t.RangeKey == "" {
		return err
	}
	return checkKeyValue(one[t.RangeKey], t.RangeKey, "rangekey", maxRangeKey)
}

func checkKeyValue(value *server.AttributeValue, name, kind string, most int) error {
	switch {
	case value == nil:
		return invalid("One or more parameter values were invalid: Missing the key %s in the item", name)
	case value.S == nil:
		return invalid("One or more parameter values were invalid: Type mismatch for key %s expected: S", name)
	case *value.S == "":
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
	case len(*value.S) > most:
		return invalid("One or more parameter values were invalid: Size of %s has exceeded the maximum size limit of %d bytes", kind, most)
	}
	return nil
}

// checkValues refuses numbers that are none, and values that the engine would
// change.
func checkValues(values item) error {
	for name, value := range values {
		if err := checkValue(value); err != nil {
			return invalid("%s: %s", name, err.Error())
		}
	}
	return nil
}

func checkValue(value *server.AttributeValue) error {
	if value == nil {
		return errors.New("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	if value.L != nil && len(value.L) == 0 || value.M != nil && len(value.M) == 0 || value.B != nil && len(value.B) == 0 {
		return errors.New("localcloud keeps no empty list, map or binary value")
	}
	numbers := value.NS
	if value.N != nil {
		numbers = append(numbers, value.N)
	}
	for _, n := range numbers {
		if !number.MatchString(*n) {
			return fmt.Errorf("The parameter cannot be converted to a numeric value: %s", *n)
		}
		if digits(*n) > maxDigits {
			return fmt.Errorf("The number %s has more than %d digits: localcloud keeps no more of them (DynamoDB keeps 38)", *n, maxDigits)
		}
	}
	for _, element := range value.L {
		if err := checkValue(element); err != nil {
			return err
		}
	}
	for _, element := range value.M {
		if err := checkValue(element); err != nil {
			return err
		}
	}
	return nil
}

// digits counts the significant digits.
func digits(n string) int {
	mantissa, _, _ := strings.Cut(strings.ToLower(n), "e")
	whole := strings.ReplaceAll(strings.TrimLeft(mantissa, "+-0."), ".", "")
	return len(strings.TrimRight(whole, "0"))
}

// sizeOf is the size of an item as DynamoDB counts it, in bytes (developer guide,
// "DynamoDB item sizes and formats").
func sizeOf(one item) int {
	size := 0
	for name, value := range one {
		size += len(name) + sizeOfValue(value)
	}
	return size
}

func sizeOfValue(value *server.AttributeValue) int {
	// A list or a map takes 3 bytes, and 1 for each of what is in it.
	const collection, element = 3, 1
	if value == nil {
		return 0
	}
	size := len(value.B)
	if value.BOOL != nil || value.NULL != nil {
		size++
	}
	if value.S != nil {
		size += len(*value.S)
	}
	if value.N != nil {
		size += sizeOfNumber(*value.N)
	}
	for _, s := range value.SS {
		size += len(*s)
	}
	for _, n := range value.NS {
		size += sizeOfNumber(*n)
	}
	for _, b := range value.BS {
		size += len(b)
	}
	if value.L != nil || value.M != nil {
		size += collection + element*(len(value.L)+len(value.M)) + sizeOf(value.M)
	}
	for _, one := range value.L {
		size += sizeOfValue(one)
	}
	return size
}

// sizeOfNumber is a byte for each two significant digits, and one more.
func sizeOfNumber(n string) int { return (digits(n)+1)/2 + 1 }
