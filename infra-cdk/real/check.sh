#!/usr/bin/env bash
# What only a real account can show, one check each: docs/dev/first-real-account.md says what is expected and why.
#
#   NAME=porpoise HOME_REGION=eu-central-1 REGION=eu-central-1 infra-cdk/real/check.sh kms quotas …
#
# Prints what was measured, and for each expectation `ok` or `DIFFERS`; ends with 1 if anything differs. It makes and
# removes what it says; it changes nothing else of the deployment. `list` lists the checks.
# shellcheck disable=SC2329,SC2153 # checks are called by their names; some ask for variables in capitals
set -euo pipefail

NAME=${NAME:-porpoise}
HOME_REGION=${HOME_REGION:-${AWS_REGION:-eu-central-1}}
REGION=${REGION:-$HOME_REGION}
export AWS_PAGER=
differs=0

# --- what checks say

# expect WHAT MEASURED OPERATOR BOUND: compares numbers, or texts with `is`
expect() {
  local verdict=DIFFERS
  case $3 in
    is) [[ $2 == "$4" ]] && verdict=ok ;;
    *) awk -v a="$2" -v b="$4" "BEGIN { exit !(a != \"\" && a != \"None\" && a + 0 $3 b + 0) }" && verdict=ok ;;
  esac
  [[ $verdict == ok ]] || differs=1
  printf '%-8s %s: %s (expected %s %s)\n' "$verdict" "$1" "$2" "$3" "$4"
}

at() { # REGION WORDS…: `aws` there, as text
  local region=$1
  shift
  aws --region "$region" --output text ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"
}

median() { sort -n | awk '{ all[NR] = $1 } END { if (NR) print all[int((NR + 1) / 2)] }'; }

account() { at "$HOME_REGION" sts get-caller-identity --query Account; }

place() { at "$REGION" lambda get-function-configuration --function-name "$NAME-poller" --query Environment.Variables.PORPOISE_PLACE; }

needs() { # VARIABLE…
  local variable
  for variable in "$@"; do
    [[ -n ${!variable:-} ]] || { echo "set $variable: docs/dev/first-real-account.md says to what" >&2; exit 64; }
  done
}

# sum or average of a metric in the last MINUTES: REGION NAMESPACE METRIC STATISTIC MINUTES [Name=…,Value=…]…
metric() {
  local region=$1 namespace=$2 name=$3 statistic=$4 minutes=$5
  shift 5
  at "$region" cloudwatch get-metric-statistics --namespace "$namespace" --metric-name "$name" --statistics "$statistic" \
    --start-time "$(date -u -d "-$minutes minutes" +%FT%TZ)" --end-time "$(date -u +%FT%TZ)" --period $((minutes * 60)) \
    --dimensions "$@" --query "Datapoints[0].$statistic"
}

# --- the checks

check_quotas() {
  local limit
  limit=$(at "$REGION" lambda get-account-settings --query AccountLimit.ConcurrentExecutions)
  expect "concurrent executions of Lambda in $REGION" "$limit" '>=' 1000
  at "$REGION" service-quotas list-service-quotas --service-code emr-serverless --query 'Quotas[].[Value, QuotaName]' | sed 's/^/         /'
  limit=$(at "$REGION" service-quotas list-service-quotas --service-code events \
    --query "Quotas[?contains(QuotaName, 'PutEvents')] | [0].Value")
  expect "PutEvents a second in $REGION" "$limit" '>=' 400
  limit=$(at "$REGION" service-quotas list-service-quotas --service-code states \
    --query "Quotas[?contains(QuotaName, 'StateTransition')] | [0].Value")
  echo "         transitions of state machines in $REGION: $limit"
}

check_kms() {
  local bucket
  expect "key of the table (none is AWS's own)" \
    "$(at "$HOME_REGION" dynamodb describe-table --table-name "$NAME" --query Table.SSEDescription.KMSMasterKeyArn)" is None
  bucket=$(at "$HOME_REGION" lambda get-function-configuration --function-name "$NAME-api" --query Environment.Variables.PORPOISE_BUCKET)
  expect "encryption of the bucket" "$(at "$HOME_REGION" s3api get-bucket-encryption --bucket "$bucket" \
    --query 'ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm')" is AES256
  expect "encryption of the queue" "$(at "$HOME_REGION" sqs get-queue-attributes --attribute-names SqsManagedSseEnabled \
    --queue-url "$(at "$HOME_REGION" sqs get-queue-url --queue-name "$NAME-inputs.fifo")" --query Attributes.SqsManagedSseEnabled)" is true
  expect "keys of the log groups" "$(at "$HOME_REGION" logs describe-log-groups --log-group-name-prefix "/aws/lambda/$NAME-" \
    --query 'length(logGroups[?kmsKeyId])')" is 0
}

check_cold_start() {
  local function=$NAME-poller tries=${TRIES:-20} before log inits='' billed=''
  before=$(at "$REGION" lambda get-function-configuration --function-name "$function" --query Description)
  for ((i = 1; i <= tries; i++)); do
    # another description is another configuration: the next call starts anew
    at "$REGION" lambda update-function-configuration --function-name "$function" --description "$before ($i)" >/dev/null
    aws --region "$REGION" lambda wait function-updated-v2 --function-name "$function"
    log=$(at "$REGION" lambda invoke --function-name "$function" --cli-binary-format raw-in-base64-out \
      --payload "{\"mend\": \"$(place)\"}" --log-type Tail --query LogResult /dev/null | base64 -d)
    inits+=$(sed -n 's/.*Init Duration: \([0-9.]*\) ms.*/\1/p' <<<"$log")$'\n'
    billed+=$(sed -n 's/.*Billed Duration: \([0-9.]*\) ms.*/\1/p' <<<"$log")$'\n'
  done
  at "$REGION" lambda update-function-configuration --function-name "$function" --description "$before" >/dev/null
  expect "init of $function, median of $tries, ms" "$(grep . <<<"$inits" | median)" '<=' 100
  echo "         billed of a cold call with nothing to do, median, ms: $(grep . <<<"$billed" | median)"
}

check_loop_ended() {
  local machine execution status
  machine=arn:$(place | cut -d. -f1):states:$REGION:$(account):stateMachine:$NAME-loop
  execution=$(at "$REGION" stepfunctions start-execution --state-machine-arn "$machine" --name "check-$(date +%s)" \
    --input "{\"place\": \"$(place)\", \"epoch\": 0, \"tick\": 0}" --query executionArn)
  for ((i = 0; i < 60; i++)); do
    status=$(at "$REGION" stepfunctions describe-execution --execution-arn "$execution" --query status)
    [[ $status == RUNNING ]] || break
    sleep 1
  done
  expect 'a loop of another epoch' "$status" is SUCCEEDED
  expect 'what its tick failed with' "$(at "$REGION" stepfunctions get-execution-history --execution-arn "$execution" \
    --query 'events[?lambdaFunctionFailedEventDetails || taskFailedEventDetails] | [0].[lambdaFunctionFailedEventDetails.error || taskFailedEventDetails.error] | [0]')" is LoopEnded
  expect 'states that it entered' "$(at "$REGION" stepfunctions get-execution-history --execution-arn "$execution" \
    --query 'length(events[?stateEnteredEventDetails])')" is 2
}

check_scheduler() {
  # a schedule of the deployment's own group, by its own role, to the dead letters at home: its role reaches no other queue
  local minutes=${MINUTES:-2} schedule=wake-check-$$ url due sent partition
  partition=$(place | cut -d. -f1)
  url=$(at "$HOME_REGION" sqs get-queue-url --queue-name "$NAME-dead")
  due=$(($(date -u +%s) + minutes * 60))
  at "$HOME_REGION" scheduler create-schedule --name "$schedule" --group-name "$NAME" --action-after-completion DELETE \
    --schedule-expression "at($(date -u -d "@$due" +%FT%T))" --flexible-time-window Mode=OFF \
    --target "Arn=arn:$partition:sqs:$HOME_REGION:$(account):$NAME-dead,RoleArn=arn:$partition:iam::$(account):role/$NAME-scheduler-$HOME_REGION,Input=$schedule" >/dev/null
  for ((i = 0; i < minutes * 3 + 9; i++)); do
    read -r sent receipt < <(at "$HOME_REGION" sqs receive-message --queue-url "$url" --wait-time-seconds 20 --attribute-names SentTimestamp \
      --query "Messages[?Body=='$schedule'] | [0].[Attributes.SentTimestamp, ReceiptHandle]") || true
    [[ ${sent:-None} == None ]] || break
  done
  expect 'seconds that a schedule was late' "$(((${sent:-0} / 1000) - due))" '<=' 60
  expect 'seconds that a schedule was late' "$(((${sent:-0} / 1000) - due))" '>=' 0
  [[ ${receipt:-None} == None ]] || at "$HOME_REGION" sqs delete-message --queue-url "$url" --receipt-handle "$receipt"
}

check_grants() {
  # what IAM itself says of the roles: what executors call is allowed, on what carries the tag only
  local role decision
  role=arn:$(place | cut -d. -f1):iam::$(account):role/$NAME-poller-$REGION
  simulate() { # ACTION RESOURCE [CONTEXT]
    at "$REGION" iam simulate-principal-policy --policy-source-arn "$role" --action-names "$1" --resource-arns "$2" \
      ${3:+--context-entries "$3"} --query 'EvaluationResults[0].EvalDecision'
  }
  local application
  application=arn:aws:emr-serverless:$REGION:$(account):/applications/00f1check
  local tagged="ContextKeyName=aws:ResourceTag/porpoise,ContextKeyValues=$NAME,ContextKeyType=string"
  expect 'StartJobRun on an application with the tag' "$(simulate emr-serverless:StartJobRun "$application" "$tagged")" is allowed
  expect 'StartJobRun on one without' "$(simulate emr-serverless:StartJobRun "$application")" is implicitDeny
  expect 'GetJobRun' "$(simulate emr-serverless:GetJobRun "$application/jobruns/00f1run")" is allowed
  for decision in StartQueryExecution BatchGetQueryExecution ListQueryExecutions GetQueryResults StopQueryExecution; do
    expect "$decision" "$(simulate "athena:$decision" "arn:aws:athena:$REGION:$(account):workgroup/$NAME-target-check")" is allowed
  done
  expect ListStateMachines "$(simulate states:ListStateMachines "arn:aws:states:$REGION:$(account):stateMachine:*")" is allowed
  expect 'deleting its table' "$(simulate dynamodb:DeleteTable "arn:aws:dynamodb:$REGION:$(account):table/$NAME-jobs")" is implicitDeny
}

check_unused_grants() {
  # after a week of use: which actions of each role were called, of those that IAM tells
  local name region role job
  for name in api trigger stepper dispatcher poller; do
    region=$HOME_REGION
    [[ $name == dispatcher || $name == poller ]] && region=$REGION
    role=arn:aws:iam::$(account):role/$NAME-$name-$region
    job=$(at "$HOME_REGION" iam generate-service-last-accessed-details --granularity ACTION_LEVEL --arn "$role" --query JobId)
    until [[ $(at "$HOME_REGION" iam get-service-last-accessed-details --job-id "$job" --query JobStatus) != IN_PROGRESS ]]; do sleep 2; done
    echo "         $name never called anything of: $(at "$HOME_REGION" iam get-service-last-accessed-details --job-id "$job" \
      --query 'ServicesLastAccessed[?!LastAuthenticated].ServiceNamespace')"
    expect "AccessDenied in the log of $name, this week" "$(at "$region" logs filter-log-events --log-group-name "/aws/lambda/$NAME-$name" \
      --start-time $((($(date +%s) - 604800) * 1000)) --filter-pattern '"AccessDenied"' --query 'length(events)' | awk '{ sum += $1 } END { print sum + 0 }')" is 0
  done
}

check_load() {
  # after `RUNS` runs of 300 noops each were started at once, as the page says: what that did in the last MINUTES
  local minutes=${MINUTES:-15} queue=QueueName sent called
  expect "throttled writes of the table" "$(metric "$HOME_REGION" AWS/DynamoDB WriteThrottleEvents Sum "$minutes" "Name=TableName,Value=$NAME" | sed 's/None/0/')" is 0
  expect "throttled reads of the table" "$(metric "$HOME_REGION" AWS/DynamoDB ReadThrottleEvents Sum "$minutes" "Name=TableName,Value=$NAME" | sed 's/None/0/')" is 0
  expect "oldest input, s" "$(metric "$HOME_REGION" AWS/SQS ApproximateAgeOfOldestMessage Maximum "$minutes" "Name=$queue,Value=$NAME-inputs.fifo")" '<=' 60
  expect "throttled calls of the stepper" "$(metric "$HOME_REGION" AWS/Lambda Throttles Sum "$minutes" "Name=FunctionName,Value=$NAME-stepper" | sed 's/None/0/')" is 0
  called=$(metric "$REGION" AWS/Lambda Invocations Sum "$minutes" "Name=FunctionName,Value=$NAME-dispatcher")
  if [ "$REGION" = "$HOME_REGION" ]; then
    # the dispatcher at home is invoked; one in another region hears its bus
    expect "call to the start of the dispatcher, ms on average" "$(metric "$REGION" AWS/Lambda AsyncEventAge Average "$minutes" \
      "Name=FunctionName,Value=$NAME-dispatcher")" '<=' 1000
    sent=$(metric "$REGION" AWS/Lambda AsyncEventsReceived Sum "$minutes" "Name=FunctionName,Value=$NAME-dispatcher")
  else
    expect "event on the bus to the start of the dispatcher, ms on average" "$(metric "$REGION" AWS/Events IngestionToInvocationStartLatency Average "$minutes" \
      "Name=EventBusName,Value=$NAME" "Name=RuleName,Value=$NAME-intents")" '<=' 1000
    sent=$(metric "$REGION" AWS/Events MatchedEvents Sum "$minutes" "Name=EventBusName,Value=$NAME" "Name=RuleName,Value=$NAME-intents")
  fi
  echo "         batches for the dispatcher: $sent; calls of it: $called (more of them are duplicates, which do no harm)"
}

check_idle_queues() {
  # after an hour without work: a mapping that idles with two pollers receives 360 times an hour, each for 20 s
  local queue
  for queue in "$NAME-inputs.fifo" "$NAME-timers"; do
    expect "empty receives of $queue in an hour" "$(metric "$HOME_REGION" AWS/SQS NumberOfEmptyReceives Sum 60 "Name=QueueName,Value=$queue")" '<=' 900
  done
}

check_emr_tokens() {
  # the same token twice is one job run; a job run is in the list when its start is answered
  needs APPLICATION ROLE ENTRY_POINT
  local token=porpoise-check-$$ first second listed begun
  start() {
    at "$REGION" emr-serverless start-job-run --application-id "$APPLICATION" --client-token "$token" --execution-role-arn "$ROLE" \
      --name porpoise-check --job-driver "{\"sparkSubmit\": {\"entryPoint\": \"$ENTRY_POINT\"}}" --query jobRunId
  }
  first=$(start)
  begun=$(date +%s%N)
  for ((i = 0; i < 30; i++)); do
    listed=$(at "$REGION" emr-serverless list-job-runs --application-id "$APPLICATION" --query "length(jobRuns[?id=='$first'])")
    [[ $listed == 1 ]] && break
    sleep 1
  done
  expect 'ms until the list has a job run' "$((($(date +%s%N) - begun) / 1000000))" '<=' 5000
  second=$(start)
  expect 'the same token while it runs' "$second" is "$first"
  until [[ $(at "$REGION" emr-serverless get-job-run --application-id "$APPLICATION" --job-run-id "$first" --query jobRun.state) =~ SUCCESS|FAILED|CANCELLED ]]; do sleep 10; done
  expect 'the same token after its end' "$(start)" is "$first"
  echo "         again tomorrow: TOKEN=$token FIRST=$first"
}

check_bill() {
  # what AWS billed yesterday for what carries the tag, which has to be activated as one for cost allocation; costs $0.01
  local from to
  from=$(date -u -d yesterday +%F)
  to=$(date -u +%F)
  at us-east-1 ce get-cost-and-usage --time-period "Start=$from,End=$to" --granularity DAILY --metrics UnblendedCost UsageQuantity \
    --filter "{\"Tags\": {\"Key\": \"porpoise\", \"Values\": [\"$NAME\"]}}" --group-by Type=DIMENSION,Key=USAGE_TYPE \
    --query 'ResultsByTime[0].Groups[].[Metrics.UnblendedCost.Amount, Metrics.UsageQuantity.Amount, Metrics.UsageQuantity.Unit, Keys[0]]'
}

check_revert_drift() {
  # deletes the rule that mends poll loops, which nothing misses for a while, and has it made again
  needs PORPOISE
  local rule ids
  rule=$NAME-mend
  ids=$(at "$REGION" events list-targets-by-rule --rule "$rule" --query 'Targets[].Id')
  # shellcheck disable=SC2086 # several words
  at "$REGION" events remove-targets --rule "$rule" --ids $ids >/dev/null
  at "$REGION" events delete-rule --name "$rule"
  expect 'times that the doctor names it' \
    "$("$PORPOISE" doctor --name "$NAME" --region "$HOME_REGION" | grep -c "rule $rule in $REGION: it is gone")" is 1
  "$PORPOISE" deploy --revert-drift --yes
  expect 'targets of the rule that was made again' "$(at "$REGION" events list-targets-by-rule --rule "$rule" --query 'length(Targets)')" is 1
}

CHECKS=$(declare -F | sed -n 's/^declare -f check_//p' | tr _ -)
[[ $# -gt 0 ]] || set -- list
for name in "$@"; do
  if [[ $name == list ]]; then
    echo "$CHECKS"
  elif grep -qx -- "$name" <<<"$CHECKS"; then
    echo "# $name"
    "check_${name//-/_}"
  else
    echo "there is no check \`$name\`; these are: $(tr '\n' ' ' <<<"$CHECKS")" >&2
    exit 64
  fi
done
exit "$differs"
