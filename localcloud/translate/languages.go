package translate

import "strings"

// detect stands for a language that is to be found out.
const detect = "auto"

// languages are those that Amazon Translate knows, by its codes (developer guide,
// "Supported languages and language codes"). Each is translated into each, itself
// included.
var languages = func() map[string]bool {
	const codes = "af am ar az bg bn bs ca cs cy da de el en es es-MX et fa fa-AF fi fr fr-CA ga gu ha he hi hr ht hu hy id is it " +
		"ja ka kk kn ko lt lv mk ml mn mr ms mt nl no pa pl ps pt pt-PT ro ru si sk sl so sq sr sv sw ta te th tl tr uk ur uz vi zh zh-TW"
	known := map[string]bool{}
	for _, code := range strings.Fields(codes) {
		known[code] = true
	}
	return known
}()
