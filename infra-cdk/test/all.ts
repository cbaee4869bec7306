/** Every test, in one process: loading the CDK takes longer than most of them. */
import './deployment.test.ts';
import './doctor.test.ts';
import './loop.test.ts';
import './privileges.test.ts';
import './program.test.ts';
import './rules.test.ts';
import './settings.test.ts';
import './template.test.ts';
