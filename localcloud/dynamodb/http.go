package dynamodb

import (
	"net/http"

	"scaletozero/localcloud/awsjson"
)

// protocol is DynamoDB's, with the operations that are implemented.
func (s *Service) protocol() http.Handler {
	return &awsjson.Service{
		Version: "1.0", Target: "DynamoDB_20120810.", Namespace: "com.amazonaws.dynamodb.v20120810#", Checksum: true,
		Operations: map[string]awsjson.Operation{
			"GetItem": awsjson.Of(s.get), "PutItem": awsjson.Of(s.put), "Query": awsjson.Of(s.query), "UpdateItem": awsjson.Of(s.update),
		},
		Others: "tables are made by Pulumi", Logger: s.options.Logger,
	}
}

// ServeHTTP answers AWS JSON 1.0, whatever the path. Requests need no signature.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.served.ServeHTTP(w, r) }
