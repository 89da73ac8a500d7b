//! Templates as people write them, and the complaints they get.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::model::{Model, Trigger};
use super::{Surroundings, read};
use crate::Result;

fn around() -> Surroundings {
    Surroundings {
        region: "eu-west-1".into(),
        account: "000000000000".into(),
        aws_url: "http://127.0.0.1:4567".into(),
        api_url: "http://localhost:4567".into(),
        secrets: [("tenantry/local/platform".to_owned(), json!({ "cursor_key": "k3y" }))].into(),
    }
}

fn model(files: &[(&str, &str)], parameters: &[(&str, &str)]) -> Result<Model> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let parameters: BTreeMap<String, String> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    read(&folder.path().join("template.yaml"), "tenantry-local", around(), &parameters)
}

fn complaint(text: &str) -> String {
    model(&[("template.yaml", text)], &[]).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
}

const ROOT: &str = r"
Parameters:
  Stage: { Type: String, Default: dev, AllowedValues: [dev, local] }
Conditions:
  IsLocal: !Equals [!Ref Stage, local]
Resources:
  Later:
    Type: AWS::Serverless::Application
    Properties:
      Location: later/template.yaml
      Parameters: { Stage: !Ref Stage, Table: !GetAtt Earlier.Outputs.TableArn }
  Earlier:
    Type: AWS::Serverless::Application
    Properties:
      Location: earlier/template.yaml
      Parameters: { Stage: !Ref Stage }
  Front:
    Type: AWS::CloudFront::Distribution
    Condition: IsLocal
    Properties: { Anything: goes }
Outputs:
  Domain: { Value: !GetAtt Front.DomainName }
";

const EARLIER: &str = r"
Parameters:
  Stage: { Type: String }
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub tenantry-${Stage}-earlier
      StreamSpecification: { StreamViewType: NEW_AND_OLD_IMAGES }
Outputs:
  TableArn: { Value: !GetAtt Table.Arn }
";

const LATER: &str = r#"
Parameters:
  Stage: { Type: String }
  Table: { Type: String }
Mappings:
  Sizes: { local: { Memory: 256 } }
Conditions:
  IsLocal: !Equals [!Ref Stage, local]
  IsBig: !And [!Condition IsLocal, !Not [!Equals [a, b]]]
Globals:
  Function:
    Runtime: provided.al2023
    Timeout: 10
    Environment:
      Variables: { STAGE: !Ref Stage, SHARED: 'yes' }
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: { AllowOrigins: ['*'], AllowMethods: [GET] }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub tenantry-${Stage}-jobs
      VisibilityTimeout: 60
      RedrivePolicy: { deadLetterTargetArn: !GetAtt JobsDeadLetters.Arn, maxReceiveCount: 5 }
  JobsDeadLetters:
    Type: AWS::SQS::Queue
    Properties: { QueueName: !Sub 'tenantry-${Stage}-jobs-dead-letters' }
  RunJob:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub tenantry-${Stage}-run-job
      CodeUri: ../../target/lambda/run_job
      MemorySize: !FindInMap [Sizes, !Ref Stage, Memory]
      ReservedConcurrentExecutions: !If [IsBig, 2, !Ref AWS::NoValue]
      Environment:
        Variables:
          SHARED: 'no'
          JOBS_QUEUE: !Ref Jobs
          KEY: !Sub '{{resolve:secretsmanager:tenantry/${Stage}/platform:SecretString:cursor_key}}'
          LITERAL: !Sub ['${!Kept} ${Word} ${AWS::Region}', { Word: !Select [1, !Split ['-', a-b-c]] }]
      Policies:
        - Statement:
            - { Effect: Allow, Action: ['dynamodb:PutItem'], Resource: !Ref Table }
      Events:
        Http: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: '/v1/jobs/{job}', Method: get } }
        Queue: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn, BatchSize: 5, FunctionResponseTypes: [ReportBatchItemFailures] } }
        Daily: { Type: ScheduleV2, Properties: { ScheduleExpression: cron(0 8 * * ? *), ScheduleExpressionTimezone: Europe/Paris } }
"#;

#[test]
fn reads_nested_applications_in_the_order_of_their_outputs() {
    let files = [("template.yaml", ROOT), ("earlier/template.yaml", EARLIER), ("later/template.yaml", LATER)];
    let model = model(&files, &[("Stage", "local")]).unwrap();
    assert_eq!(model.outputs["Domain"], "tenantry-local-front.domainname");
    assert_eq!(model.tables[0].name, "tenantry-local-earlier");
    let queues: Vec<&str> = model.queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(queues, ["tenantry-local-jobs-dead-letters", "tenantry-local-jobs"]);

    let function = model.function("run_job").unwrap();
    assert_eq!((function.name.as_str(), function.area.as_str()), ("tenantry-local-run-job", "later"));
    assert_eq!(
        (function.memory, function.timeout, function.reserved_concurrency),
        (256, Duration::from_secs(10), Some(2))
    );
    let variables: Vec<(&str, &str)> =
        function.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        variables,
        [
            ("JOBS_QUEUE", "http://127.0.0.1:4567/000000000000/tenantry-local-jobs"),
            ("KEY", "k3y"),
            ("LITERAL", "${Kept} b eu-west-1"),
            ("SHARED", "no"),
            ("STAGE", "local"),
        ]
    );
    let Trigger::Http(route) = &function.triggers[0] else { panic!("{:?}", function.triggers) };
    assert_eq!((route.method.as_str(), route.path.as_str()), ("GET", "/v1/jobs/{job}"));
    assert!(
        matches!(&function.triggers[1], Trigger::Queue(source) if source.batch_size == 5 && source.reports_failures)
    );
    assert!(matches!(&function.triggers[2], Trigger::Schedule(schedule) if schedule.zone == "Europe/Paris"));
}

#[test]
fn refuses_what_it_does_not_understand_with_file_and_line() {
    for (text, expected) in [
        (
            "Resources:\n  X:\n    Type: AWS::RDS::DBInstance\n",
            "template.yaml:3: resources of type AWS::RDS::DBInstance",
        ),
        (
            "Resources:\n  X:\n    Type: AWS::SQS::Queue\n    Properties:\n      Kolour: red\n",
            "template.yaml:5: `Kolour` of AWS::SQS::Queue X",
        ),
        (
            "Resources:\n  X:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Ref Nobody\n",
            "template.yaml:5: there is no parameter or resource `Nobody`",
        ),
        (
            "Resources:\n  X:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !ImportValue x\n",
            "template.yaml:5: the function ImportValue",
        ),
        ("Stuff: 1\n", "template.yaml:1: `Stuff` is not understood"),
        ("Parameters:\n  A: { Type: String }\n", "template.yaml:2: the parameter `A` has no value"),
        (
            "Parameters:\n  A:\n    Type: String\n    Default: x\n    AllowedValues: [y]\n",
            "template.yaml:4: `A` must be one of y",
        ),
        (
            "Conditions:\n  A: !Condition B\n  B: !Condition A\nResources:\n  X:\n    Type: AWS::SQS::Queue\n    Condition: A\n",
            "this refers to itself",
        ),
        (
            "Resources:\n  B:\n    Type: AWS::Events::Rule\n    Properties:\n      EventPattern: { source: [a] }\n      Targets: [{ Id: q, Arn: 'arn:aws:sqs:eu-west-1:000000000000:nobody' }]\n",
            "template.yaml:3: the rule delivers to nobody, which is no queue",
        ),
    ] {
        let told = complaint(text);
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn refuses_applications_that_need_each_other() {
    let root = "Resources:\n  A:\n    Type: AWS::Serverless::Application\n    Properties:\n      Location: a.yaml\n      Parameters: { X: !GetAtt B.Outputs.X }\n  B:\n    Type: AWS::Serverless::Application\n    Properties:\n      Location: a.yaml\n      Parameters: { X: !Sub '${A.Outputs.X}' }\n";
    let told = complaint(root);
    assert!(
        told.contains("template.yaml:3: these applications need each other's outputs in a circle: A, B"),
        "{told}"
    );
}
