package protocol

// The API keys of Kafka 4.4, under Kafka's names. Keys 4 to 7 were removed in 4.0.
const (
	KeyProduce                               int16 = 0
	KeyFetch                                 int16 = 1
	KeyListOffsets                           int16 = 2
	KeyMetadata                              int16 = 3
	KeyLeaderAndIsr                          int16 = 4
	KeyStopReplica                           int16 = 5
	KeyUpdateMetadata                        int16 = 6
	KeyControlledShutdown                    int16 = 7
	KeyOffsetCommit                          int16 = 8
	KeyOffsetFetch                           int16 = 9
	KeyFindCoordinator                       int16 = 10
	KeyJoinGroup                             int16 = 11
	KeyHeartbeat                             int16 = 12
	KeyLeaveGroup                            int16 = 13
	KeySyncGroup                             int16 = 14
	KeyDescribeGroups                        int16 = 15
	KeyListGroups                            int16 = 16
	KeySaslHandshake                         int16 = 17
	KeyApiVersions                           int16 = 18
	KeyCreateTopics                          int16 = 19
	KeyDeleteTopics                          int16 = 20
	KeyDeleteRecords                         int16 = 21
	KeyInitProducerId                        int16 = 22
	KeyOffsetForLeaderEpoch                  int16 = 23
	KeyAddPartitionsToTxn                    int16 = 24
	KeyAddOffsetsToTxn                       int16 = 25
	KeyEndTxn                                int16 = 26
	KeyWriteTxnMarkers                       int16 = 27
	KeyTxnOffsetCommit                       int16 = 28
	KeyDescribeAcls                          int16 = 29
	KeyCreateAcls                            int16 = 30
	KeyDeleteAcls                            int16 = 31
	KeyDescribeConfigs                       int16 = 32
	KeyAlterConfigs                          int16 = 33
	KeyAlterReplicaLogDirs                   int16 = 34
	KeyDescribeLogDirs                       int16 = 35
	KeySaslAuthenticate                      int16 = 36
	KeyCreatePartitions                      int16 = 37
	KeyCreateDelegationToken                 int16 = 38
	KeyRenewDelegationToken                  int16 = 39
	KeyExpireDelegationToken                 int16 = 40
	KeyDescribeDelegationToken               int16 = 41
	KeyDeleteGroups                          int16 = 42
	KeyElectLeaders                          int16 = 43
	KeyIncrementalAlterConfigs               int16 = 44
	KeyAlterPartitionReassignments           int16 = 45
	KeyListPartitionReassignments            int16 = 46
	KeyOffsetDelete                          int16 = 47
	KeyDescribeClientQuotas                  int16 = 48
	KeyAlterClientQuotas                     int16 = 49
	KeyDescribeUserScramCredentials          int16 = 50
	KeyAlterUserScramCredentials             int16 = 51
	KeyVote                                  int16 = 52
	KeyBeginQuorumEpoch                      int16 = 53
	KeyEndQuorumEpoch                        int16 = 54
	KeyDescribeQuorum                        int16 = 55
	KeyAlterPartition                        int16 = 56
	KeyUpdateFeatures                        int16 = 57
	KeyEnvelope                              int16 = 58
	KeyFetchSnapshot                         int16 = 59
	KeyDescribeCluster                       int16 = 60
	KeyDescribeProducers                     int16 = 61
	KeyBrokerRegistration                    int16 = 62
	KeyBrokerHeartbeat                       int16 = 63
	KeyUnregisterBroker                      int16 = 64
	KeyDescribeTransactions                  int16 = 65
	KeyListTransactions                      int16 = 66
	KeyAllocateProducerIds                   int16 = 67
	KeyConsumerGroupHeartbeat                int16 = 68
	KeyConsumerGroupDescribe                 int16 = 69
	KeyControllerRegistration                int16 = 70
	KeyGetTelemetrySubscriptions             int16 = 71
	KeyPushTelemetry                         int16 = 72
	KeyAssignReplicasToDirs                  int16 = 73
	KeyListConfigResources                   int16 = 74
	KeyDescribeTopicPartitions               int16 = 75
	KeyShareGroupHeartbeat                   int16 = 76
	KeyShareGroupDescribe                    int16 = 77
	KeyShareFetch                            int16 = 78
	KeyShareAcknowledge                      int16 = 79
	KeyAddRaftVoter                          int16 = 80
	KeyRemoveRaftVoter                       int16 = 81
	KeyUpdateRaftVoter                       int16 = 82
	KeyInitializeShareGroupState             int16 = 83
	KeyReadShareGroupState                   int16 = 84
	KeyWriteShareGroupState                  int16 = 85
	KeyDeleteShareGroupState                 int16 = 86
	KeyReadShareGroupStateSummary            int16 = 87
	KeyStreamsGroupHeartbeat                 int16 = 88
	KeyStreamsGroupDescribe                  int16 = 89
	KeyDescribeShareGroupOffsets             int16 = 90
	KeyAlterShareGroupOffsets                int16 = 91
	KeyDeleteShareGroupOffsets               int16 = 92
	KeyStreamsGroupTopologyDescriptionUpdate int16 = 93
	KeyUnregisterController                  int16 = 94
)

// noVersion as the flexible version says that the API never became flexible; as
// Max, that no version of it is left.
const noVersion = -1

// specs is indexed by API key. Min and Max are what Kafka 4.4 accepts.
//
// Source: Kafka 4.4, clients/src/main/resources/common/message/*Request.json.
var specs = [...]Spec{
	KeyProduce:                               {Key: KeyProduce, Name: "Produce", Min: 3, Max: 13, Advertised: 0, Flexible: 9, Served: true},
	KeyFetch:                                 {Key: KeyFetch, Name: "Fetch", Min: 4, Max: 18, Advertised: 4, Flexible: 12, Served: true},
	KeyListOffsets:                           {Key: KeyListOffsets, Name: "ListOffsets", Min: 1, Max: 11, Advertised: 1, Flexible: 6, Served: true},
	KeyMetadata:                              {Key: KeyMetadata, Name: "Metadata", Min: 0, Max: 13, Advertised: 0, Flexible: 9, Served: true},
	KeyLeaderAndIsr:                          {Key: KeyLeaderAndIsr, Name: "LeaderAndIsr", Min: 0, Max: noVersion, Advertised: 0, Flexible: noVersion},
	KeyStopReplica:                           {Key: KeyStopReplica, Name: "StopReplica", Min: 0, Max: noVersion, Advertised: 0, Flexible: noVersion},
	KeyUpdateMetadata:                        {Key: KeyUpdateMetadata, Name: "UpdateMetadata", Min: 0, Max: noVersion, Advertised: 0, Flexible: noVersion},
	KeyControlledShutdown:                    {Key: KeyControlledShutdown, Name: "ControlledShutdown", Min: 0, Max: noVersion, Advertised: 0, Flexible: noVersion},
	KeyOffsetCommit:                          {Key: KeyOffsetCommit, Name: "OffsetCommit", Min: 2, Max: 10, Advertised: 2, Flexible: 8, Served: true},
	KeyOffsetFetch:                           {Key: KeyOffsetFetch, Name: "OffsetFetch", Min: 1, Max: 10, Advertised: 1, Flexible: 6, Served: true},
	KeyFindCoordinator:                       {Key: KeyFindCoordinator, Name: "FindCoordinator", Min: 0, Max: 6, Advertised: 0, Flexible: 3, Served: true},
	KeyJoinGroup:                             {Key: KeyJoinGroup, Name: "JoinGroup", Min: 0, Max: 9, Advertised: 0, Flexible: 6, Served: true},
	KeyHeartbeat:                             {Key: KeyHeartbeat, Name: "Heartbeat", Min: 0, Max: 4, Advertised: 0, Flexible: 4, Served: true},
	KeyLeaveGroup:                            {Key: KeyLeaveGroup, Name: "LeaveGroup", Min: 0, Max: 5, Advertised: 0, Flexible: 4, Served: true},
	KeySyncGroup:                             {Key: KeySyncGroup, Name: "SyncGroup", Min: 0, Max: 5, Advertised: 0, Flexible: 4, Served: true},
	KeyDescribeGroups:                        {Key: KeyDescribeGroups, Name: "DescribeGroups", Min: 0, Max: 6, Advertised: 0, Flexible: 5, Served: true},
	KeyListGroups:                            {Key: KeyListGroups, Name: "ListGroups", Min: 0, Max: 5, Advertised: 0, Flexible: 3, Served: true},
	KeySaslHandshake:                         {Key: KeySaslHandshake, Name: "SaslHandshake", Min: 0, Max: 1, Advertised: 0, Flexible: noVersion, Served: true},
	KeyApiVersions:                           {Key: KeyApiVersions, Name: "ApiVersions", Min: 0, Max: 5, Advertised: 0, Flexible: 3, Served: true},
	KeyCreateTopics:                          {Key: KeyCreateTopics, Name: "CreateTopics", Min: 2, Max: 7, Advertised: 2, Flexible: 5, Served: true},
	KeyDeleteTopics:                          {Key: KeyDeleteTopics, Name: "DeleteTopics", Min: 1, Max: 6, Advertised: 1, Flexible: 4, Served: true},
	KeyDeleteRecords:                         {Key: KeyDeleteRecords, Name: "DeleteRecords", Min: 0, Max: 2, Advertised: 0, Flexible: 2, Served: true},
	KeyInitProducerId:                        {Key: KeyInitProducerId, Name: "InitProducerId", Min: 0, Max: 5, Advertised: 0, Flexible: 2, Served: true},
	KeyOffsetForLeaderEpoch:                  {Key: KeyOffsetForLeaderEpoch, Name: "OffsetForLeaderEpoch", Min: 2, Max: 4, Advertised: 2, Flexible: 4, Served: true},
	KeyAddPartitionsToTxn:                    {Key: KeyAddPartitionsToTxn, Name: "AddPartitionsToTxn", Min: 0, Max: 5, Advertised: 0, Flexible: 3, Served: true},
	KeyAddOffsetsToTxn:                       {Key: KeyAddOffsetsToTxn, Name: "AddOffsetsToTxn", Min: 0, Max: 4, Advertised: 0, Flexible: 3, Served: true},
	KeyEndTxn:                                {Key: KeyEndTxn, Name: "EndTxn", Min: 0, Max: 5, Advertised: 0, Flexible: 3, Served: true},
	KeyWriteTxnMarkers:                       {Key: KeyWriteTxnMarkers, Name: "WriteTxnMarkers", Min: 1, Max: 2, Advertised: 1, Flexible: 1, Served: true},
	KeyTxnOffsetCommit:                       {Key: KeyTxnOffsetCommit, Name: "TxnOffsetCommit", Min: 0, Max: 6, Advertised: 0, Flexible: 3, Served: true},
	KeyDescribeAcls:                          {Key: KeyDescribeAcls, Name: "DescribeAcls", Min: 1, Max: 3, Advertised: 1, Flexible: 2, Served: true},
	KeyCreateAcls:                            {Key: KeyCreateAcls, Name: "CreateAcls", Min: 1, Max: 3, Advertised: 1, Flexible: 2, Served: true},
	KeyDeleteAcls:                            {Key: KeyDeleteAcls, Name: "DeleteAcls", Min: 1, Max: 3, Advertised: 1, Flexible: 2, Served: true},
	KeyDescribeConfigs:                       {Key: KeyDescribeConfigs, Name: "DescribeConfigs", Min: 1, Max: 4, Advertised: 1, Flexible: 4, Served: true},
	KeyAlterConfigs:                          {Key: KeyAlterConfigs, Name: "AlterConfigs", Min: 0, Max: 2, Advertised: 0, Flexible: 2, Served: true},
	KeyAlterReplicaLogDirs:                   {Key: KeyAlterReplicaLogDirs, Name: "AlterReplicaLogDirs", Min: 1, Max: 2, Advertised: 1, Flexible: 2, Served: true},
	KeyDescribeLogDirs:                       {Key: KeyDescribeLogDirs, Name: "DescribeLogDirs", Min: 1, Max: 5, Advertised: 1, Flexible: 2, Served: true},
	KeySaslAuthenticate:                      {Key: KeySaslAuthenticate, Name: "SaslAuthenticate", Min: 0, Max: 2, Advertised: 0, Flexible: 2, Served: true},
	KeyCreatePartitions:                      {Key: KeyCreatePartitions, Name: "CreatePartitions", Min: 0, Max: 3, Advertised: 0, Flexible: 2, Served: true},
	KeyCreateDelegationToken:                 {Key: KeyCreateDelegationToken, Name: "CreateDelegationToken", Min: 1, Max: 3, Advertised: 1, Flexible: 2},
	KeyRenewDelegationToken:                  {Key: KeyRenewDelegationToken, Name: "RenewDelegationToken", Min: 1, Max: 2, Advertised: 1, Flexible: 2},
	KeyExpireDelegationToken:                 {Key: KeyExpireDelegationToken, Name: "ExpireDelegationToken", Min: 1, Max: 2, Advertised: 1, Flexible: 2},
	KeyDescribeDelegationToken:               {Key: KeyDescribeDelegationToken, Name: "DescribeDelegationToken", Min: 1, Max: 3, Advertised: 1, Flexible: 2},
	KeyDeleteGroups:                          {Key: KeyDeleteGroups, Name: "DeleteGroups", Min: 0, Max: 3, Advertised: 0, Flexible: 2, Served: true},
	KeyElectLeaders:                          {Key: KeyElectLeaders, Name: "ElectLeaders", Min: 0, Max: 2, Advertised: 0, Flexible: 2, Served: true},
	KeyIncrementalAlterConfigs:               {Key: KeyIncrementalAlterConfigs, Name: "IncrementalAlterConfigs", Min: 0, Max: 1, Advertised: 0, Flexible: 1, Served: true},
	KeyAlterPartitionReassignments:           {Key: KeyAlterPartitionReassignments, Name: "AlterPartitionReassignments", Min: 0, Max: 1, Advertised: 0, Flexible: 0, Served: true},
	KeyListPartitionReassignments:            {Key: KeyListPartitionReassignments, Name: "ListPartitionReassignments", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
	KeyOffsetDelete:                          {Key: KeyOffsetDelete, Name: "OffsetDelete", Min: 0, Max: 0, Advertised: 0, Flexible: noVersion, Served: true},
	KeyDescribeClientQuotas:                  {Key: KeyDescribeClientQuotas, Name: "DescribeClientQuotas", Min: 0, Max: 1, Advertised: 0, Flexible: 1},
	KeyAlterClientQuotas:                     {Key: KeyAlterClientQuotas, Name: "AlterClientQuotas", Min: 0, Max: 1, Advertised: 0, Flexible: 1},
	KeyDescribeUserScramCredentials:          {Key: KeyDescribeUserScramCredentials, Name: "DescribeUserScramCredentials", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
	KeyAlterUserScramCredentials:             {Key: KeyAlterUserScramCredentials, Name: "AlterUserScramCredentials", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
	KeyVote:                                  {Key: KeyVote, Name: "Vote", Min: 0, Max: 2, Advertised: 0, Flexible: 0},
	KeyBeginQuorumEpoch:                      {Key: KeyBeginQuorumEpoch, Name: "BeginQuorumEpoch", Min: 0, Max: 1, Advertised: 0, Flexible: 1},
	KeyEndQuorumEpoch:                        {Key: KeyEndQuorumEpoch, Name: "EndQuorumEpoch", Min: 0, Max: 1, Advertised: 0, Flexible: 1},
	KeyDescribeQuorum:                        {Key: KeyDescribeQuorum, Name: "DescribeQuorum", Min: 0, Max: 2, Advertised: 0, Flexible: 0, Served: true},
	KeyAlterPartition:                        {Key: KeyAlterPartition, Name: "AlterPartition", Min: 2, Max: 3, Advertised: 2, Flexible: 0},
	KeyUpdateFeatures:                        {Key: KeyUpdateFeatures, Name: "UpdateFeatures", Min: 0, Max: 2, Advertised: 0, Flexible: 0, Served: true},
	KeyEnvelope:                              {Key: KeyEnvelope, Name: "Envelope", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyFetchSnapshot:                         {Key: KeyFetchSnapshot, Name: "FetchSnapshot", Min: 0, Max: 1, Advertised: 0, Flexible: 0},
	KeyDescribeCluster:                       {Key: KeyDescribeCluster, Name: "DescribeCluster", Min: 0, Max: 2, Advertised: 0, Flexible: 0, Served: true},
	KeyDescribeProducers:                     {Key: KeyDescribeProducers, Name: "DescribeProducers", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
	KeyBrokerRegistration:                    {Key: KeyBrokerRegistration, Name: "BrokerRegistration", Min: 0, Max: 4, Advertised: 0, Flexible: 0},
	KeyBrokerHeartbeat:                       {Key: KeyBrokerHeartbeat, Name: "BrokerHeartbeat", Min: 0, Max: 2, Advertised: 0, Flexible: 0},
	KeyUnregisterBroker:                      {Key: KeyUnregisterBroker, Name: "UnregisterBroker", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
	KeyDescribeTransactions:                  {Key: KeyDescribeTransactions, Name: "DescribeTransactions", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
	KeyListTransactions:                      {Key: KeyListTransactions, Name: "ListTransactions", Min: 0, Max: 2, Advertised: 0, Flexible: 0, Served: true},
	KeyAllocateProducerIds:                   {Key: KeyAllocateProducerIds, Name: "AllocateProducerIds", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyConsumerGroupHeartbeat:                {Key: KeyConsumerGroupHeartbeat, Name: "ConsumerGroupHeartbeat", Min: 0, Max: 1, Advertised: 0, Flexible: 0},
	KeyConsumerGroupDescribe:                 {Key: KeyConsumerGroupDescribe, Name: "ConsumerGroupDescribe", Min: 0, Max: 1, Advertised: 0, Flexible: 0},
	KeyControllerRegistration:                {Key: KeyControllerRegistration, Name: "ControllerRegistration", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyGetTelemetrySubscriptions:             {Key: KeyGetTelemetrySubscriptions, Name: "GetTelemetrySubscriptions", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyPushTelemetry:                         {Key: KeyPushTelemetry, Name: "PushTelemetry", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyAssignReplicasToDirs:                  {Key: KeyAssignReplicasToDirs, Name: "AssignReplicasToDirs", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyListConfigResources:                   {Key: KeyListConfigResources, Name: "ListConfigResources", Min: 0, Max: 1, Advertised: 0, Flexible: 0, Served: true},
	KeyDescribeTopicPartitions:               {Key: KeyDescribeTopicPartitions, Name: "DescribeTopicPartitions", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
	KeyShareGroupHeartbeat:                   {Key: KeyShareGroupHeartbeat, Name: "ShareGroupHeartbeat", Min: 1, Max: 1, Advertised: 1, Flexible: 0},
	KeyShareGroupDescribe:                    {Key: KeyShareGroupDescribe, Name: "ShareGroupDescribe", Min: 1, Max: 1, Advertised: 1, Flexible: 0},
	KeyShareFetch:                            {Key: KeyShareFetch, Name: "ShareFetch", Min: 1, Max: 2, Advertised: 1, Flexible: 0},
	KeyShareAcknowledge:                      {Key: KeyShareAcknowledge, Name: "ShareAcknowledge", Min: 1, Max: 2, Advertised: 1, Flexible: 0},
	KeyAddRaftVoter:                          {Key: KeyAddRaftVoter, Name: "AddRaftVoter", Min: 0, Max: 1, Advertised: 0, Flexible: 0, Served: true},
	KeyRemoveRaftVoter:                       {Key: KeyRemoveRaftVoter, Name: "RemoveRaftVoter", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
	KeyUpdateRaftVoter:                       {Key: KeyUpdateRaftVoter, Name: "UpdateRaftVoter", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyInitializeShareGroupState:             {Key: KeyInitializeShareGroupState, Name: "InitializeShareGroupState", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyReadShareGroupState:                   {Key: KeyReadShareGroupState, Name: "ReadShareGroupState", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyWriteShareGroupState:                  {Key: KeyWriteShareGroupState, Name: "WriteShareGroupState", Min: 0, Max: 1, Advertised: 0, Flexible: 0},
	KeyDeleteShareGroupState:                 {Key: KeyDeleteShareGroupState, Name: "DeleteShareGroupState", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyReadShareGroupStateSummary:            {Key: KeyReadShareGroupStateSummary, Name: "ReadShareGroupStateSummary", Min: 0, Max: 1, Advertised: 0, Flexible: 0},
	KeyStreamsGroupHeartbeat:                 {Key: KeyStreamsGroupHeartbeat, Name: "StreamsGroupHeartbeat", Min: 0, Max: 1, Advertised: 0, Flexible: 0},
	KeyStreamsGroupDescribe:                  {Key: KeyStreamsGroupDescribe, Name: "StreamsGroupDescribe", Min: 0, Max: 1, Advertised: 0, Flexible: 0},
	KeyDescribeShareGroupOffsets:             {Key: KeyDescribeShareGroupOffsets, Name: "DescribeShareGroupOffsets", Min: 0, Max: 1, Advertised: 0, Flexible: 0},
	KeyAlterShareGroupOffsets:                {Key: KeyAlterShareGroupOffsets, Name: "AlterShareGroupOffsets", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyDeleteShareGroupOffsets:               {Key: KeyDeleteShareGroupOffsets, Name: "DeleteShareGroupOffsets", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyStreamsGroupTopologyDescriptionUpdate: {Key: KeyStreamsGroupTopologyDescriptionUpdate, Name: "StreamsGroupTopologyDescriptionUpdate", Min: 0, Max: 0, Advertised: 0, Flexible: 0},
	KeyUnregisterController:                  {Key: KeyUnregisterController, Name: "UnregisterController", Min: 0, Max: 0, Advertised: 0, Flexible: 0, Served: true},
}
