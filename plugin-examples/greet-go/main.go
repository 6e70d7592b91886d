// Greet: adds one header, named by its configuration, to every request and its response.
//
// The module is a library: the host calls what the SDK exports, and main never runs. What must
// happen at the start is in init.
package main

import (
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() {
	proxywasm.SetPluginContext(func(uint32) types.PluginContext { return &plugin{} })
}

// plugin is one use of the plugin, with its configuration.
type plugin struct {
	types.DefaultPluginContext
	header, value string
}

func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	if err == nil {
		p.header, p.value, err = parse(configuration)
	}
	if err != nil {
		proxywasm.LogErrorf("greet: bad configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *plugin) NewHttpContext(uint32) types.HttpContext {
	return &stream{plugin: p}
}

// stream is one request with its response.
type stream struct {
	types.DefaultHttpContext
	plugin *plugin
}

func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	if err := proxywasm.ReplaceHttpRequestHeader(s.plugin.header, s.plugin.value); err != nil {
		proxywasm.LogErrorf("greet: %v", err)
	}
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	if err := proxywasm.ReplaceHttpResponseHeader(s.plugin.header, s.plugin.value); err != nil {
		proxywasm.LogErrorf("greet: %v", err)
	}
	return types.ActionContinue
}
