package provider

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Invoke answers the functions that say where a program runs, and who it is.
func (s *Server) Invoke(ctx context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	place := &Resource{}
	sessionOf(ctx).apply(place)
	where := partitionOf(place.Region)
	var result Properties
	switch req.GetTok() {
	case "aws:index/getCallerIdentity:getCallerIdentity":
		result = Properties{
			"accountId": accountID, "id": accountID, "userId": "AIDALOCALCLOUD",
			"arn": arn(place, "iam", "", accountID, "user/localcloud"),
		}
	case "aws:index/getPartition:getPartition":
		result = Properties{"id": where.name, "partition": where.name, "dnsSuffix": where.dnsSuffix, "reverseDnsPrefix": where.reverseDNS}
	case "aws:index/getRegion:getRegion":
		result = Properties{
			"id": place.Region, "name": place.Region, "description": place.Region,
			"endpoint": fmt.Sprintf("ec2.%s.%s", place.Region, where.dnsSuffix),
		}
	case "aws:ecr/getAuthorizationToken:getAuthorizationToken":
		args, err := unmarshal(req.GetArgs())
		if err != nil {
			return nil, err
		}
		result = s.authorizationToken(place, plain(args).text("registryId"))
	default:
		return nil, status.Errorf(codes.Unimplemented,
			"localcloud does not implement the function %s; it implements getAuthorizationToken, getCallerIdentity, getPartition and getRegion", req.GetTok())
	}
	out, err := marshal(result.propertyMap())
	return &pulumirpc.InvokeResponse{Return: out}, err
}

// authorizationToken are the credentials of a registry. There is nothing that they could open.
func (s *Server) authorizationToken(place *Resource, registryID string) Properties {
	if registryID == "" {
		registryID = accountID
	}
	const user, password = "AWS", "localcloud"
	return Properties{
		"id": place.Region, "registryId": registryID, "userName": user, "password": password,
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte(user + ":" + password)),
		"proxyEndpoint":      fmt.Sprintf("https://%s.dkr.ecr.%s.%s", registryID, place.Region, partitionOf(place.Region).dnsSuffix),
		"expiresAt":          s.options.Now().Add(12 * time.Hour).UTC().Format(time.RFC3339),
	}
}
