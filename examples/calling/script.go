package calling

import _ "embed" // for Script

// Script is calling.js, for servers that hand it to browsers.
//
//go:embed calling.js
var Script []byte
