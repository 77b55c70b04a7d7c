package provider

import (
	"context"
	"fmt"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Invoke answers the functions that say where a program runs.
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
	default:
		return nil, status.Errorf(codes.Unimplemented,
			"localcloud does not implement the function %s; it implements getCallerIdentity, getPartition and getRegion", req.GetTok())
	}
	out, err := marshal(result.propertyMap())
	return &pulumirpc.InvokeResponse{Return: out}, err
}
